package fileop

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"slipway/internal/oneline"

	"github.com/moby/buildkit/solver/pb"
)

// Name describes actions by their kinds and paths, for example "copy /a /b, rm /c".
func Name(actions ...*pb.FileAction) string {
	var names []string
	for _, a := range actions {
		switch a := a.Action.(type) {
		case *pb.FileAction_Copy:
			names = append(names, "copy "+a.Copy.GetSrc()+" "+a.Copy.GetDest())
		case *pb.FileAction_Mkfile:
			names = append(names, "mkfile "+a.Mkfile.GetPath())
		case *pb.FileAction_Mkdir:
			names = append(names, "mkdir "+a.Mkdir.GetPath())
		case *pb.FileAction_Rm:
			names = append(names, "rm "+a.Rm.GetPath())
		case *pb.FileAction_Symlink:
			names = append(names, "symlink "+a.Symlink.GetNewpath())
		}
	}
	return strings.Join(names, ", ")
}

// describe adds a description of the action a to err, the error from the action. If err starts
// with the same path that ends the description, describe omits that path from err. It thus
// returns "mkdir /a: not a directory" instead of "mkdir /a: mkdir /a: not a directory".
func describe(a *pb.FileAction, err error) error {
	name := oneline.Name(Name(a))
	if p := (*fs.PathError)(nil); errors.As(err, &p) && p.Error() == err.Error() {
		if at := strings.Fields(name); path.Clean(at[len(at)-1]) == p.Path {
			err = p.Err
		} else {
			err = fmt.Errorf("%s: %w", p.Path, p.Err)
		}
	}
	return fmt.Errorf("%s: %w", name, err)
}
