package fileop

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/moby/buildkit/solver/pb"
)

// TestActionErrors checks that the error text of a failed action contains each path only
// once.
func TestActionErrors(t *testing.T) {
	cp := &pb.FileAction{Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{Src: "/a", Dest: "/f/"}}}
	mkdir := &pb.FileAction{Action: &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{Path: "/f"}}}
	notDir := func(name string) error { return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR} }
	for _, tc := range []struct {
		action *pb.FileAction
		err    error
		want   string
	}{
		{mkdir, notDir("/f"), "mkdir /f: not a directory"},
		{cp, errors.Join(notDir("/f"), nil), "copy /a /f/: not a directory"},
		{cp, notDir("/f/x"), "copy /a /f/: /f/x: not a directory"},
		{cp, fmt.Errorf("more: %w", notDir("/f")), "copy /a /f/: more: mkdir /f: not a directory"},
	} {
		if err := describe(tc.action, tc.err); err.Error() != tc.want || !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("error %q, want %q", err, tc.want)
		}
	}
}
