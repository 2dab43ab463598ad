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

// subrequest is a question about a Dockerfile, asked in place of a build. Its
// Request holds the name, version and options that clients see.
type subrequest struct {
	subrequests.Request
	answer func(*build, context.Context) (*client.Result, error)
}

// allSubrequests returns all of them, in the order in which they are listed.
func allSubrequests() []subrequest {
	return []subrequest{
		{outline.SubrequestsOutlineDefinition, (*build).outline},
		{targets.SubrequestsTargetsDefinition, (*build).targets},
		{lint.SubrequestLintDefinition, (*build).lint},
		{convertllb.SubrequestConvertLLBDefinition, (*build).convertLLB},
		{subrequests.SubrequestsDescribeDefinition, (*build).describe},
	}
}

// subrequest answers what is not a build. The result has metadata only.
//
// Upstream: errors of an answer have no place in the Dockerfile.
func (b *build) subrequest(ctx context.Context, id string) (*client.Result, error) {
	for _, r := range allSubrequests() {
		if r.Name == id {
			res, err := r.answer(b, ctx)
			return res, firstError(err)
		}
	}
	return nil, errdefs.NewUnsupportedSubrequestError(id)
}

// location says in answers where something stands in the Dockerfile.
func location(r source.Range) *pb.Location { return &pb.Location{Ranges: lineRanges(r)} }
