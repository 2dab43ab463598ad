package plan

import (
	"slices"
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/instructions"
)

// ARGs that control what an SBOM lists.
const (
	scanContext = "BUILDKIT_SBOM_SCAN_CONTEXT"
	scanStage   = "BUILDKIT_SBOM_SCAN_STAGE"
)

// NotExported reports whether an ARG of this name only configures the frontend, and is not
// a variable in RUN.
func NotExported(key string) bool { return key == scanContext || key == scanStage }

// scans reports whether the ARG of this name enables the scan for the stage. Its value is
// a boolean or a list of stages. The last ARG of the stage that has a value takes
// precedence over the global ARG.
func (e *evaluator) scans(name string) bool {
	value, ok := e.b.Globals.Lookup(name)
	for _, a := range e.state.Args {
		if a.Key == name && a.Set {
			value, ok = a.Value, true
		}
	}
	if !ok {
		return false
	}
	if on, err := strconv.ParseBool(value); err == nil {
		return on
	}
	return slices.Contains(strings.Split(value, ","), e.st.Name)
}

// arg declares the ARGs of a stage. The value is the build argument, or else the default,
// or else the value of the global ARG of the same name. Without any of these, the variable
// keeps the value that an earlier instruction set.
func (e *evaluator) arg(c *instructions.Arg) *diag.Diagnostic {
	line := make([]string, 0, len(c.Args))
	for i := range c.Args {
		a, d := e.argValue(&c.Args[i])
		if d != nil {
			return d
		}
		s := a.Key
		if a.Set {
			s += "=" + a.Value
			if !NotExported(a.Key) {
				e.state.Env = e.state.Env.Set(a.Key, a.Value)
			}
		}
		e.declare(a)
		line = append(line, s)
	}
	e.commit("ARG "+strings.Join(line, " "), false)
	return nil
}

// declare appends to the list of ARGs. Earlier states share the array, but their lists end
// before the new entry.
func (e *evaluator) declare(a ArgValue) {
	if len(e.state.Args) > 2*len(e.args)+64 {
		e.state.Args = lastValues(e.state.Args)
	}
	e.args[a.Key] = true
	e.state.Args = append(e.state.Args, a)
}

// lastValues returns a new list with one entry for each ARG: in the order of the first
// declarations, with the last values.
func lastValues(args []ArgValue) []ArgValue {
	var list []ArgValue
	at := map[string]int{}
	for _, a := range args {
		i, seen := at[a.Key]
		if !seen {
			i = len(list)
			at[a.Key] = i
			list = append(list, a)
		}
		list[i] = a
	}
	return list
}

func (e *evaluator) argValue(decl *instructions.ArgDecl) (ArgValue, *diag.Diagnostic) {
	a := ArgValue{Key: decl.Key}
	e.note(&Assigned{Key: decl.Key, Word: decl.Word})
	switch v, ok := e.b.opt.BuildArgs[decl.Key]; {
	case ok:
		a.Value, a.Set = v, true
	case decl.Default != nil:
		v, d := e.word(*decl.Default)
		if d != nil {
			return a, d
		}
		a.Value, a.Set = v, true
	default:
		a.Value, a.Set = e.b.Globals.Lookup(decl.Key)
		a.Global = a.Set
	}
	return a, nil
}
