package frontendimage

import "strings"

// BinaryPath is where the program lies in the image.
const BinaryPath = "/bin/dockerfile-frontend"

// PackagePath is the folder of the program's source, from the top of the
// repository.
const PackagePath = "cmd/dockerfile-frontend"

// Labels returns the labels that the builder looks at before it starts the
// frontend.
func Labels() map[string]string {
	return map[string]string{
		// Run without a network: everything a build needs is fetched by the builder.
		"moby.buildkit.frontend.network.none": "true",
		// What the frontend can do. The builder refuses a build that needs anything
		// else before it starts the frontend.
		"moby.buildkit.frontend.caps": strings.Join([]string{
			"moby.buildkit.frontend.inputs",
			"moby.buildkit.frontend.subrequests",
			"moby.buildkit.frontend.contexts",
			"moby.buildkit.frontend.gitquerystring",
			"moby.buildkit.frontend.contexts.zstd",
		}, ","),
	}
}
