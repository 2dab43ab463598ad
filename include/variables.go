package include

import (
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// variables contains the variables that are set before the first FROM of a Dockerfile, without
// the platform ARGs. Files are read once for all platforms, so only these variables may select
// them.
type variables struct {
	globals   shell.Map
	buildArgs map[string]string
}

// newVariables returns the variables at the start of a Dockerfile.
func newVariables(buildArgs map[string]string) variables {
	return variables{globals: shell.Map{}, buildArgs: buildArgs}
}

// expander returns the expander for the words of a file with the given escape character.
func (variables) expander(escape byte) shell.Expander {
	return shell.Expander{Escape: escape, Lookup: dialect.Lookup}
}

// define adds the variables of an ARG or LET. It ignores errors, because the plan reports them.
func (v variables) define(escape byte, arg *instructions.Arg) {
	if arg.Ext != nil && arg.Ext.If != nil {
		if holds, d := v.holds(escape, arg.Ext.If); d != nil || !holds {
			return
		}
	}
	for i := range arg.Args {
		decl := &arg.Args[i]
		if value, given := v.buildArgs[decl.Key]; given && !arg.Let {
			v.globals[decl.Key] = value
		} else if decl.Default != nil {
			if res, err := v.expander(escape).Expand(decl.Default.Value, v.globals); err == nil {
				v.globals[decl.Key] = res.Value
			}
		}
	}
}

// holds evaluates a condition.
func (v variables) holds(escape byte, c *instructions.Condition) (bool, *diag.Diagnostic) {
	var failed *diag.Diagnostic
	ok, err := c.Eval(func(cw dialect.ConditionWord) (string, error) {
		word := c.Word(cw)
		res, err := v.expander(escape).Expand(word.Value, v.globals)
		for _, use := range res.Unmatched {
			if isPlatformArg(use.Name) {
				failed = noPlatform(word, use, "INCLUDE")
				return "", failed
			}
		}
		if err != nil {
			failed = diag.Errorf(word.Text.Range(), "%w", err)
			return "", failed
		}
		return res.Value, nil
	})
	return ok && err == nil, failed
}

// expand expands a word that names a file. All of its variables must have a value. The parameter
// what is the subject of errors, such as "an INCLUDE".
func (v variables) expand(escape byte, p parser.Word, what string) (string, *diag.Diagnostic) {
	res, err := v.expander(escape).Expand(p.Value, v.globals)
	if err != nil {
		return "", diag.Errorf(p.Text.Range(), "%w", err)
	}
	if len(res.Unmatched) > 0 {
		use := res.Unmatched[0]
		if isPlatformArg(use.Name) {
			return "", noPlatform(p, use, strings.TrimPrefix(what, "an "))
		}
		return "", diag.Errorf(useRange(p, use), "%s has no value here: %s sees only the ARG and LET above the first FROM", use.Name, what)
	}
	return res.Value, nil
}

// noPlatform returns the error about a platform ARG.
func noPlatform(word parser.Word, use shell.Use, what string) *diag.Diagnostic {
	return diag.Errorf(useRange(word, use), "%s is read once for all platforms: %s has no value here", what, use.Name)
}

// isPlatformArg reports whether a predefined ARG depends on the platform.
func isPlatformArg(name string) bool {
	switch strings.TrimPrefix(strings.TrimPrefix(name, "TARGET"), "BUILD") {
	case "PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT":
		return strings.HasPrefix(name, "TARGET") || strings.HasPrefix(name, "BUILD")
	}
	return false
}

// useRange returns the range of a variable in a word, or of the word if quotes hide it.
func useRange(w parser.Word, use shell.Use) source.Range {
	if w.Value == w.Text.String() && use.End <= w.Text.Len() {
		return w.Text.Slice(use.Offset, use.End).Range()
	}
	return w.Text.Range()
}
