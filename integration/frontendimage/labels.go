package frontendimage

import "strings"

// BinaryPath is the path of the frontend program in the image.
const BinaryPath = "/bin/dockerfile-frontend"

// PackagePath is the source directory of the frontend program, relative to the root of the
// repository.
const PackagePath = "cmd/dockerfile-frontend"

// Labels returns the image labels that a builder reads before it starts the frontend.
func Labels() map[string]string {
	return map[string]string{
		// The frontend needs no network: the builder fetches everything.
		"moby.buildkit.frontend.network.none": "true",
		// The builder rejects a build that requires a capability outside this list before it
		// starts the frontend.
		"moby.buildkit.frontend.caps": strings.Join([]string{
			"moby.buildkit.frontend.inputs",
			"moby.buildkit.frontend.subrequests",
			"moby.buildkit.frontend.contexts",
			"moby.buildkit.frontend.gitquerystring",
			"moby.buildkit.frontend.contexts.zstd",
		}, ","),
	}
}
