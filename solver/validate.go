package solver

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"slipway/solver/cachemap"

	"github.com/moby/buildkit/solver/pb"
)

// check returns an error if an operation is invalid: if a required field is missing, or
// if the index of an input or output is out of range.
func check(v *Vertex) error {
	switch op := v.Op.Op.(type) {
	case *pb.Op_Source:
		return checkSource(op.Source, v)
	case *pb.Op_Exec:
		return checkExec(op.Exec, v)
	case *pb.Op_File:
		return checkFile(op.File, v)
	case *pb.Op_Build:
		if op.Build == nil {
			return errors.New("the build is empty")
		}
		return nil
	case *pb.Op_Merge:
		return checkMerge(op.Merge, v)
	case *pb.Op_Diff:
		return checkDiff(op.Diff, v)
	case *pb.Op_Passthrough:
		return checkPassthrough(op.Passthrough, v)
	}
	return fmt.Errorf("unknown operation %T", v.Op.Op)
}

func checkSource(op *pb.SourceOp, v *Vertex) error {
	if op == nil || !strings.Contains(op.Identifier, "://") {
		return fmt.Errorf("source %q has no scheme", op.GetIdentifier())
	}
	if len(v.Inputs) > 0 {
		return errors.New("a source has no inputs")
	}
	return nil
}

func checkExec(op *pb.ExecOp, v *Vertex) error {
	switch {
	case op.GetMeta() == nil:
		return errors.New("the process is missing")
	case len(op.Meta.Args) == 0:
		return errors.New("the process has no arguments")
	case !path.IsAbs(op.Meta.Cwd):
		return fmt.Errorf("the working directory %q is not absolute", op.Meta.Cwd)
	case len(op.Mounts) == 0:
		return errors.New("the process has no root file system")
	}
	root := false
	seen := map[int64]bool{}
	for _, m := range op.Mounts {
		if m.Dest == pb.RootMount {
			root = true
		}
		in, out := cachemap.MountInput(m), outputOf(m)
		if in >= int64(len(v.Inputs)) || in < -1 {
			return fmt.Errorf("mount %s has input %d of %d", m.Dest, in, len(v.Inputs))
		}
		if out < -1 || out >= int64(len(op.Mounts)) {
			return fmt.Errorf("mount %s has output %d", m.Dest, out)
		}
		if out >= 0 && seen[out] {
			return fmt.Errorf("output %d is made twice", out)
		}
		seen[out] = true
	}
	if !root {
		return errors.New("the process has no root file system")
	}
	for i := range int64(outputs(v)) {
		if !seen[i] {
			return fmt.Errorf("output %d is missing", i)
		}
	}
	return nil
}

func checkFile(op *pb.FileOp, v *Vertex) error {
	if len(op.GetActions()) == 0 {
		return errors.New("there are no file actions")
	}
	n := int64(len(v.Inputs))
	made := map[int64]bool{}
	for i, a := range op.Actions {
		for _, in := range []int64{a.Input, a.SecondaryInput} {
			if in < -1 || in >= n+int64(i) {
				return fmt.Errorf("action %d has input %d of %d", i, in, n+int64(i))
			}
		}
		if a.Output < -1 || a.Output >= int64(len(op.Actions)) {
			return fmt.Errorf("action %d has output %d", i, a.Output)
		}
		if made[a.Output] {
			return fmt.Errorf("output %d is made twice", a.Output)
		}
		made[a.Output] = a.Output >= 0
		for _, name := range cachemap.Accounts(a) {
			if in := name.Input; in < -1 || in >= n+int64(i) {
				return fmt.Errorf("action %d looks its owner up in input %d of %d", i, in, n+int64(i))
			}
		}
		switch a.Action.(type) {
		case *pb.FileAction_Copy, *pb.FileAction_Mkfile, *pb.FileAction_Mkdir, *pb.FileAction_Rm, *pb.FileAction_Symlink:
		default:
			return fmt.Errorf("unknown file action %T", a.Action)
		}
	}
	for i := range int64(outputs(v)) {
		if !made[i] {
			return fmt.Errorf("output %d is missing", i)
		}
	}
	return nil
}

func checkMerge(op *pb.MergeOp, v *Vertex) error {
	for _, in := range op.GetInputs() {
		if in.Input < -1 || in.Input >= int64(len(v.Inputs)) {
			return fmt.Errorf("has input %d of %d", in.Input, len(v.Inputs))
		}
	}
	if len(op.GetInputs()) < 2 {
		return errors.New("merges less than two trees")
	}
	return nil
}

func checkDiff(op *pb.DiffOp, v *Vertex) error {
	for _, in := range []int64{op.GetLower().GetInput(), op.GetUpper().GetInput()} {
		if in < -1 || in >= int64(len(v.Inputs)) {
			return fmt.Errorf("has input %d of %d", in, len(v.Inputs))
		}
	}
	return nil
}

func checkPassthrough(op *pb.PassthroughOp, v *Vertex) error {
	if op.GetId() == "" {
		return errors.New("the ID is missing")
	}
	if len(op.Outputs) == 0 {
		return errors.New("there are no outputs")
	}
	for i, in := range op.Outputs {
		if in < 0 || in >= int64(len(v.Inputs)) {
			return fmt.Errorf("output %d is input %d of %d", i, in, len(v.Inputs))
		}
	}
	return nil
}
