package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/instructions"
)

// Names of the ARGs that make an SBOM cover more than the target: scanContext adds the main
// context, and scanStage adds intermediate stages.
const (
	scanContext = "BUILDKIT_SBOM_SCAN_CONTEXT"
	scanStage   = "BUILDKIT_SBOM_SCAN_STAGE"
)

// NotExported reports whether an ARG with this name only configures the frontend. RUN steps do
// not get such an ARG as a variable.
func NotExported(key string) bool { return key == scanContext || key == scanStage }

// scanEnabled reports whether an ARG enables the SBOM scan for the current stage. The parameter
// name is the name of the ARG, whose value is a boolean or a comma-separated list of stage
// names. The last such ARG in the stage takes precedence over the global ARG, but an ARG
// without a value does not count.
func (e *evaluator) scanEnabled(name string) bool {
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
	return slices.Contains(strings.Split(value, ","), cmp.Or(e.st.PlainName, e.st.Name))
}

// arg declares the ARGs of an instruction. If the user passes a build argument with the name of
// an ARG, the ARG gets its value. Otherwise, the ARG gets its default or, without a default,
// the value of the global ARG with the same name. If none of these exists, the variable keeps
// the value that an earlier instruction set.
func (e *evaluator) arg(c *instructions.Arg) *diag.Diagnostic {
	if c.Let {
		return e.let(c)
	}
	line := make([]string, 0, len(c.Args))
	for i := range c.Args {
		a, d := e.argValue(&c.Args[i])
		if d != nil {
			return d
		}
		e.b.lowerInherited(c, &c.Args[i], a)
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

// declare appends an ARG to the list in the state. Lists in earlier states may share the
// same array. Appending does not modify these lists, because they end before the new
// entry.
func (e *evaluator) declare(a ArgValue) {
	if len(e.state.Args) > 2*len(e.args)+64 {
		e.state.Args = lastValues(e.state.Args)
	}
	e.args[a.Key] = true
	e.state.Args = append(e.state.Args, a)
}

// lastValues returns a new list that contains each ARG name once. The names have the order of
// their first declarations in args, and the values of their last declarations.
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

// argValue returns the name and the value of the ARG that decl declares.
func (e *evaluator) argValue(decl *instructions.ArgDecl) (ArgValue, *diag.Diagnostic) {
	a := ArgValue{Key: decl.Key}
	e.recordFact(&Assigned{Key: decl.Key, Word: decl.Word})
	switch v, ok := e.b.opt.BuildArgs[decl.Key]; {
	case ok:
		a.Value, a.Set, a.given = v, true, true
		if e.isGated() {
			e.b.lowerReplaced(e.visit.Command, decl, e.state.Env)
		}
	case decl.Default != nil:
		v, d := e.word(*decl.Default)
		if d != nil {
			return a, d
		}
		a.Value, a.Set = v, true
	default:
		a.Value, a.Set = e.b.current.Globals.Lookup(decl.Key)
		a.Global = a.Set
	}
	return a, nil
}
