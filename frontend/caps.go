package frontend

import (
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
)

// hasCap tells the capabilities that this frontend has. The image's label
// moby.buildkit.frontend.caps lists the same.
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

// checkCaps checks what the client relies on. A capability marked +forward may
// be missing if another frontend does the work.
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
