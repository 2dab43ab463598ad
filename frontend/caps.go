package frontend

import (
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

// hasCap reports whether this frontend has a capability. The label
// moby.buildkit.frontend.caps of the image lists the same capabilities.
func hasCap(name string) bool {
	switch name {
	case "moby.buildkit.frontend.inputs",
		"moby.buildkit.frontend.subrequests",
		"moby.buildkit.frontend.contexts",
		"moby.buildkit.frontend.gitquerystring",
		"moby.buildkit.frontend.contexts.zstd":
		return true
	}
	return false
}

// checkCaps checks the capabilities that the client requires. A missing
// capability is acceptable if it is marked +forward and another frontend runs
// the build.
func checkCaps(required string) (forward bool, missing error) {
	if required == "" {
		return false, nil
	}
	for c := range strings.SplitSeq(required, ",") {
		name, marks, _ := strings.Cut(c, "+")
		if hasCap(name) {
			continue
		}
		missing = grpcerrors.WrapCode(errdefs.NewUnsupportedFrontendCapError(name), codes.Unimplemented)
		if !strings.HasPrefix(marks, "forward") && !strings.Contains(marks, "+forward") {
			return false, missing
		}
		forward = true
	}
	return forward, missing
}
