package frontend

import (
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

// hasCap reports whether this frontend has the named capability. The label
// moby.buildkit.frontend.caps on the frontend image lists the same capabilities.
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

// checkCaps returns an error if this frontend lacks a capability that the client requires. The
// parameter required is a comma-separated list of capabilities. If all missing capabilities
// are marked with +forward, another frontend may still run the build, and forward is true.
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
