package frontend

import (
	"context"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/frontend/subrequests/convertllb"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"slipway/source"
)

// subrequest is a request for information about a Dockerfile, such as a list of its
// stages. Request contains the name, version and options that describe the subrequest to
// clients.
type subrequest struct {
	subrequests.Request
	answer func(*build, context.Context) (*client.Result, error)
}

// allSubrequests returns all subrequests in the order in which describe lists them.
func allSubrequests() []subrequest {
	list := []subrequest{
		{outline.SubrequestsOutlineDefinition, (*build).outline},
		{targets.SubrequestsTargetsDefinition, (*build).targets},
		{lint.SubrequestLintDefinition, (*build).lint},
		{convertllb.SubrequestConvertLLBDefinition, (*build).convertLLB},
		{ejectRequest(), (*build).eject},
	}
	list = append(list, planSubrequests()...)
	return append(list, subrequest{subrequests.SubrequestsDescribeDefinition, (*build).describe})
}

// subrequest answers the subrequest whose name is id. The result consists of metadata
// only.
//
// Upstream: errors of subrequests have no location in the Dockerfile.
func (b *build) subrequest(ctx context.Context, id string) (*client.Result, error) {
	for _, r := range allSubrequests() {
		if r.Name == id {
			res, err := r.answer(b, ctx)
			return res, firstError(err)
		}
	}
	return nil, errdefs.NewUnsupportedSubrequestError(id)
}

// location converts a range to the format of the answers to subrequests.
func location(r source.Range) *pb.Location { return &pb.Location{Ranges: lineRanges(r)} }
