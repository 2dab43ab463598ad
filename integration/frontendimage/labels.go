package frontendimage

import "strings"

// BinaryPath is the path of the program in the image.
const BinaryPath = "/bin/dockerfile-frontend"

// PackagePath is the directory of the program's source, relative to the
// repository.
const PackagePath = "cmd/dockerfile-frontend"

// Labels returns the labels that the builder reads before it starts the
// frontend.
func Labels() map[string]string {
	return map[string]string{
		// Run without a network: the builder fetches everything that a build
		// needs.
		"moby.buildkit.frontend.network.none": "true",
		// Capabilities of the frontend. If a build needs any other, the builder
		// rejects it before it starts the frontend.
		"moby.buildkit.frontend.caps": strings.Join([]string{
			"moby.buildkit.frontend.inputs",
			"moby.buildkit.frontend.subrequests",
			"moby.buildkit.frontend.contexts",
			"moby.buildkit.frontend.gitquerystring",
			"moby.buildkit.frontend.contexts.zstd",
		}, ","),
	}
}
