package lint

import (
	"iter"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint/script"
	"slipway/parser"
	"slipway/plan"
	"slipway/shell"
	"slipway/source"
)

// File contains the representations of a Dockerfile that rules check.
type File struct {
	Source     *source.File
	Syntax     *parser.File
	Dockerfile *instructions.Dockerfile
	Plan       *plan.Plan // incomplete if planning failed
	Stages     []*Stage
	Errors     diag.List      // errors in the syntax and in the plan
	Included   []*parser.File // the files that INCLUDEs name; rules do not see their instructions

	incomplete bool // whether the instructions of some INCLUDEs are not known
	rootOnly   bool // whether stages leave out the instructions of included files
	owners     map[*script.Script]*Instruction
}

// Stage is a stage of the file.
type Stage struct {
	Syntax       *instructions.Stage
	Plan         *plan.Stage // nil if an error prevents that the stage is planned
	Index        int
	Foreign      bool // whether the FROM is in an included file
	Orphan       bool // whether the stage holds the instructions of a file without FROM
	BaseKnown    bool // whether the config of the base image is known
	Used         bool // whether another stage names this stage
	Leaf         bool // whether a build may have this stage as its target: it is not used, or it is the last
	Shipped      bool // whether the layers of the stage are in the image: it is the last stage or a base of it
	Base         *Stage
	Instructions []*Instruction
	Scripts      []*script.Script // of all instructions that run at build time, in order

	first    int             // the offset of the first FROM of the file
	mentions map[string]bool // the results of Mentions
}

// Commands returns an iterator over the commands of the stage's scripts.
func (st *Stage) Commands() iter.Seq[*script.Command] {
	return func(yield func(*script.Command) bool) {
		for _, s := range st.Scripts {
			for _, c := range s.Commands {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// Mentions reports whether the instructions of the stage contain a text.
func (st *Stage) Mentions(text string) bool {
	found, ok := st.mentions[text]
	if ok || len(st.Instructions) == 0 {
		return found
	}
	if st.mentions == nil {
		st.mentions = map[string]bool{}
	}
	lines := st.Instructions[0].Syntax.Rng.Join(st.Instructions[len(st.Instructions)-1].Syntax.Rng)
	found = strings.Contains(lines.String(), text)
	st.mentions[text] = found
	return found
}

// Instruction is an instruction of a stage.
type Instruction struct {
	Command instructions.Command // the instruction, or the trigger of an ONBUILD
	Syntax  *parser.Instruction  // the instruction as written; for a trigger, the ONBUILD
	Onbuild bool
	Stage   *Stage
	Index   int
	Visit   *plan.Visit // nil for triggers, and if an error prevents the evaluation
	Scripts []*script.Script
}

// Commands returns the commands of the instruction's scripts.
func (in *Instruction) Commands() []*script.Command {
	var list []*script.Command
	for _, s := range in.Scripts {
		list = append(list, s.Commands...)
	}
	return list
}

// Range returns the range from the keyword to the end of the arguments, without heredocs.
func (in *Instruction) Range() source.Range {
	r := in.Syntax.Line.TrimSpace(func(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }).Range()
	return r
}

// Value is the value of a word after the expansion of variables.
type Value struct {
	Text   string
	Static bool // whether each variable in the word has a value
}

// Expand returns the value of a word of the instruction.
func (in *Instruction) Expand(w parser.Word) Value {
	var env shell.Env
	if in.Visit != nil {
		env = in.Visit.Before.Env
	}
	x := shell.Expander{Escape: '\\'}
	res, err := x.Expand(w.Value, env)
	return Value{Text: res.Value, Static: err == nil && len(res.Unmatched) == 0}
}

// Lookup returns the value of a variable in the environment of the instruction.
func (in *Instruction) Lookup(name string) (string, bool) {
	if in.Visit == nil {
		return "", false
	}
	return in.Visit.Before.Env.Lookup(name)
}

// Step returns the step of a RUN, or nil.
func (in *Instruction) Step() *plan.Exec {
	if in.Visit == nil {
		return nil
	}
	x, _ := in.Visit.Step.(*plan.Exec)
	return x
}

// Covered reports whether a cache mount or a tmpfs of the RUN holds the directory, so that its
// files are not in the image.
func (in *Instruction) Covered(dir string) bool {
	x := in.Step()
	if x == nil {
		return false
	}
	for _, m := range x.Mounts {
		if m.Type != plan.MountCache && m.Type != plan.MountTmpfs {
			continue
		}
		target := strings.TrimSuffix(m.Target, "/")
		if dir == target || strings.HasPrefix(dir, target+"/") {
			return true
		}
	}
	return false
}

// MountTargets returns the targets of the cache and tmpfs mounts of the RUN.
func (in *Instruction) MountTargets() []string {
	var list []string
	if x := in.Step(); x != nil {
		for _, m := range x.Mounts {
			if m.Type == plan.MountCache || m.Type == plan.MountTmpfs {
				list = append(list, strings.TrimSuffix(m.Target, "/"))
			}
		}
	}
	return list
}

// InstructionOf returns the instruction that contains a script.
func (f *File) InstructionOf(s *script.Script) *Instruction { return f.owners[s] }

// stageAt returns the stage that contains a range, or nil.
func (f *File) stageAt(r source.Range) *Stage {
	var found *Stage
	for _, st := range f.Stages {
		if st.Orphan || !st.Foreign && st.Syntax.From.In.Rng.Start <= r.Start {
			found = st
		}
	}
	return found
}
