package format

import (
	"slices"
	"strings"
	"unicode"

	"slipway/parser"
)

// change is a difference between a file and its layout that is more than layout.
type change struct {
	index int // the instruction, by its index in the file; -1 for the start of the file
	kind  changeKind
}

// changeKind is the kind of a change.
type changeKind int

const (
	changedMeaning changeKind = iota
	changedComment            // of a check directive or a description in the comments above an instruction
)

// compare returns the differences in meaning between two files. It ignores the scripts of the
// instructions whose index is in scripts. If the files differ in the number of their instructions,
// compare returns only the first difference.
func compare(a, b *parser.File, scripts map[int]bool) []change {
	if a.Escape != b.Escape || !slices.Equal(directives(a), directives(b)) || !slices.Equal(detected(a), detected(b)) {
		return []change{{index: -1}}
	}
	before, after := a.Instructions(), b.Instructions()
	var list []change
	for i, in := range before {
		switch {
		case i >= len(after), !sameInstruction(in, after[i], scripts[i]):
			list = append(list, change{index: i})
		case !sameComments(in, after[i]):
			list = append(list, change{index: i, kind: changedComment})
		}
		if len(list) > 0 && len(before) != len(after) {
			return list
		}
	}
	if len(before) < len(after) {
		list = append(list, change{index: len(before) - 1})
	}
	if len(list) == 0 && !slices.Equal(comments(a), comments(b)) {
		list = append(list, change{index: -1})
	}
	return list
}

// directives returns the names and values of the parser directives.
func directives(f *parser.File) []string {
	var list []string
	for _, n := range f.Nodes {
		if d, ok := n.(*parser.Directive); ok {
			list = append(list, strings.ToLower(d.Name.String())+"="+d.Value.String())
		}
	}
	return list
}

// detected returns the values of the directives that builders search for in the text of a file.
func detected(f *parser.File) []string {
	_, cmdline, _, ok := parser.Syntax(f.Source.Bytes)
	value, _, hasCheck := parser.Check(f.Source.Bytes)
	list := []string{cmdline, value}
	if !ok {
		list[0] = "\x00" // differs from every value
	}
	if !hasCheck {
		list[1] = "\x00"
	}
	return list
}

// sameInstruction reports whether two instructions differ only in their layout. If script is true,
// it ignores their scripts.
func sameInstruction(a, b *parser.Instruction, script bool) bool {
	if len(a.Heredocs) != len(b.Heredocs) || !sameArgs(a, b) {
		return false
	}
	for i, h := range a.Heredocs {
		o := b.Heredocs[i]
		if h.Name != o.Name || h.Expand != o.Expand || h.Chomp != o.Chomp || h.FD != o.FD {
			return false
		}
		if !script && h.Content() != o.Content() {
			return false
		}
	}
	return slices.Equal(words(a, script), words(b, script))
}

// sameArgs reports whether the arguments of two instructions have the same form.
func sameArgs(a, b *parser.Instruction) bool {
	switch x := a.Args.(type) {
	case nil:
		return b.Args == nil && untrimmed(a) == untrimmed(b)
	case *parser.Sub:
		_, ok := b.Args.(*parser.Sub)
		return ok && untrimmed(a) == untrimmed(b)
	case *parser.Pairs:
		y, ok := b.Args.(*parser.Pairs)
		return ok && x.Legacy == y.Legacy
	case *parser.Typed:
		y, ok := b.Args.(*parser.Typed)
		return ok && form(x.Args) == form(y.Args)
	}
	return form(a.Args) == form(b.Args)
}

// untrimmed returns the arguments of an instruction. The arguments of ONBUILD include trailing white
// space, because it is part of the trigger in the config.
func untrimmed(in *parser.Instruction) string {
	if in.Rest.Len() == 0 || !isOnbuild(in) {
		return in.Rest.String()
	}
	line := in.Line.String()
	return in.Rest.String() + line[len(strings.TrimRightFunc(line, unicode.IsSpace)):]
}

// form returns the name of the form of arguments.
func form(a parser.Args) string {
	switch a.(type) {
	case *parser.Raw:
		return "raw"
	case *parser.JSON:
		return "json"
	case *parser.Words:
		return "words"
	case *parser.Pairs:
		return "pairs"
	case *parser.Typed:
		return "typed"
	case *parser.Sub:
		return "sub"
	}
	return ""
}

// words returns the words of an instruction, with their roles. Keywords are in lower case. If
// script is true, words omits the text of a command.
func words(in *parser.Instruction, script bool) []string {
	var list []string
	n := 0
	for role, w := range in.Words() {
		value := w.Value
		if role == parser.RoleKeyword && IsKeyword(value) || role == parser.RoleType && isHealthcheckType(value) {
			value = strings.ToLower(value)
		}
		if role == parser.RoleWord {
			if n++; n == 2 && strings.EqualFold(in.Keyword.String(), "from") && strings.EqualFold(value, "as") {
				value = "as"
			}
		}
		if script && role == parser.RoleString {
			value = ""
		}
		list = append(list, role.String()+" "+value)
	}
	return list
}

// sameComments reports whether the comments above two instructions mean the same to BuildKit: the
// check directive, and the descriptions of stages and ARGs.
func sameComments(a, b *parser.Instruction) bool {
	x, hasX := a.Check()
	y, hasY := b.Check()
	return x == y && hasX == hasY && slices.Equal(descriptions(a), descriptions(b))
}

// descriptions returns the descriptions of the stage or the ARGs of an instruction. A description
// is the first comment line that starts with the name.
func descriptions(in *parser.Instruction) []string {
	args, ok := in.Args.(*parser.Words)
	if !ok {
		return nil
	}
	var names []string
	switch strings.ToLower(in.Keyword.String()) {
	case "from":
		if n := len(args.Words); n == 3 {
			names = []string{strings.ToLower(args.Words[n-1].Value)}
		}
	case "arg":
		for _, w := range args.Words {
			name, _, _ := strings.Cut(w.Value, "=")
			names = append(names, name)
		}
	}
	var list []string
	for _, name := range names {
		list = append(list, describe(in, name))
	}
	return list
}

// describe returns the first comment line above an instruction that starts with the name.
func describe(in *parser.Instruction, name string) string {
	for _, c := range in.Doc() {
		if strings.HasPrefix(c.String(), name+" ") {
			return c.String()
		}
	}
	return ""
}

// comments returns the texts of all comments, so that none is lost.
func comments(f *parser.File) []string {
	var list []string
	for _, n := range f.Nodes {
		text := ""
		switch n := n.(type) {
		case *parser.Comment:
			text = n.Rng.String()
		case *parser.Instruction:
			text = n.Head().String()
		case *parser.Blank, *parser.Directive:
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(strings.TrimPrefix(line, bom)); strings.HasPrefix(line, "#") {
				list = append(list, line)
			}
		}
	}
	return list
}
