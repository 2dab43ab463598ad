package solver

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/moby/buildkit/solver/pb"
)

// TestRequiredPaths checks that a copy returns an error if one of its required paths does
// not exist in the source. A copy within one file tree must not return this error.
func TestRequiredPaths(t *testing.T) {
	for _, tc := range []struct {
		about, path, include, required string
		from                           int64
		want                           string
	}{
		{"found", "/", "made", "/made", 0, ""},
		{"root", "/", "", "/", 0, `"/": not found`},
		{"directory after a pivot", "/made", "", "/made", 0, `"/made": not found`},
		{"nothing after a pivot", "/none", "x", "/none/x", 0, `"/none/x": not found`},
		{"own input", "/", "none", "/none", -1, ""},
	} {
		t.Run(tc.about, func(t *testing.T) {
			into := int64(-1)
			if tc.from < 0 {
				into = 0
			}
			_, err := solveDef(t, chain(t, 2, func(i int) *pb.Op {
				if i == 0 {
					return mkdirs(func(int) string { return "/made" })(0)
				}
				return &pb.Op{Op: &pb.Op_File{File: &pb.FileOp{Actions: []*pb.FileAction{{Input: into, SecondaryInput: 0, Action: &pb.FileAction_Copy{
					Copy: &pb.FileActionCopy{
						Src: tc.path, Dest: "/to", Mode: -1, Timestamp: -1, CreateDestPath: true, DirCopyContents: true,
						IncludePatterns: []string{tc.include}, RequiredPaths: []string{tc.required},
					},
				}}}}}}
			}))
			var of *Error
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("error %v, want nil", err)
			case tc.want != "" && (!errors.As(err, &of) || of.Err.Error() != tc.want || !errors.Is(err, fs.ErrNotExist)):
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}
