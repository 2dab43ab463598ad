package solver

import (
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"
)

// TestOwnerOnScratch checks that a file operation on scratch returns an error if it names
// an owner, because scratch has no account files. Numeric ids are permitted.
func TestOwnerOnScratch(t *testing.T) {
	byName := &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: "app", Input: -1}}}
	byID := &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: 7}}
	for _, tc := range []struct {
		owner *pb.ChownOpt
		fails bool
	}{
		{&pb.ChownOpt{User: byName}, true},
		{&pb.ChownOpt{User: byID, Group: byName}, true},
		{&pb.ChownOpt{User: byID, Group: byID}, false},
		{nil, false},
	} {
		_, err := solveDef(t, chain(t, 1, func(int) *pb.Op {
			op := mkdirs(func(int) string { return "/made" })(0)
			op.GetFile().Actions[0].GetMkdir().Owner = tc.owner
			return op
		}))
		if tc.fails != (err != nil) || err != nil && !strings.Contains(err.Error(), `invalid user index -1 (`) {
			t.Errorf("%v: error %v, want an error: %t", tc.owner, err, tc.fails)
		}
	}
}
