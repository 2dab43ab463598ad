package rules

import (
	"strings"

	"slipway/instructions"
	"slipway/linter"
	"slipway/parser"
)

// invalidDefinitionDescription reports a comment above an ARG or a named FROM if the last
// line of the comment does not start with the defined name. Such a comment is not a
// description.
func invalidDefinitionDescription() *linter.Rule {
	r := catalogueInvalidDefinitionDescription
	return r.rule(linter.Checks{Instruction: func(p *linter.Pass, in *parser.Instruction) {
		keyword := strings.ToUpper(in.Keyword.String())
		if keyword != "FROM" && keyword != "ARG" {
			return
		}
		doc := in.Doc()
		if len(doc) == 0 {
			return
		}
		c, d := instructions.ParseOne(in)
		if d != nil {
			return
		}
		names := definedNames(c)
		if len(names) == 0 {
			return
		}
		last := doc[len(doc)-1]
		word, _, _ := strings.Cut(last.String(), " ")
		example := names[0]
		if len(names) > 1 {
			example = "<arg_key>"
		}
		for _, n := range names {
			if n == word {
				return
			}
		}
		p.Report(last.Range(), "%s", r.text(keyword, example))
	}})
}

// definedNames returns the stage name that a FROM defines, or the names that an ARG
// defines. For other instructions, it returns nil.
func definedNames(c instructions.Command) []string {
	var names []string
	switch c := c.(type) {
	case *instructions.From:
		if c.Name.Value != "" {
			names = append(names, strings.ToLower(c.Name.Value))
		}
	case *instructions.Arg:
		for _, a := range c.Args {
			names = append(names, a.Key)
		}
	default: // other instructions define no name
	}
	return names
}
