package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/internal/suggest"
	"slipway/parser"
	"slipway/source"
)

// flagKind is the type of a flag's value: a string, a list or a bool. It determines the
// valid values and whether the flag may be repeated.
type flagKind int

const (
	stringFlag flagKind = iota // --name=VALUE, at most once
	listFlag                   // --name=VALUE, repeatable
	boolFlag                   // --name, --name=true or --name=false, at most once
)

// flagSpec describes a flag that an instruction accepts: its name and the type of its value.
type flagSpec struct {
	name string
	kind flagKind
}

// flagSet maps the name of each flag of an instruction to its occurrences, in order.
type flagSet map[string][]*parser.Flag

// parseFlags returns the flags of an instruction by name. The parameter specs lists the flags
// that the instruction supports. For the first unsupported or invalid flag, parseFlags
// returns an error. A flag has the form
//
//	flag = "--" name [ "=" value ] .
func parseFlags(in *parser.Instruction, specs []flagSpec) (flagSet, *diag.Diagnostic) {
	set := flagSet{}
	for i := range in.Flags {
		f := &in.Flags[i]
		spec, ok := findFlag(specs, f.Name)
		if !ok {
			return nil, diag.Errorf(f.NameRange, "unknown flag: --%s%s%s", f.Name, suggest.Hint(f.Name, flagNames(specs), true), dialect.Hint(in.Keyword.String(), f.Name))
		}
		if first := set[f.Name]; len(first) > 0 && spec.kind != listFlag {
			d := diag.Errorf(f.Text.Range(), "duplicate flag specified: --%s", f.Name)
			d.Related = []diag.Related{{Range: first[0].Text.Range(), Message: "first specified here"}}
			return nil, d
		}
		if d := checkFlag(f, spec.kind); d != nil {
			if i == len(in.Flags)-1 {
				hintMissingEquals(d, in)
			}
			return nil, d
		}
		set[f.Name] = append(set[f.Name], f)
	}
	return set, nil
}

// checkFlag returns an error if the value of the flag f is not valid for a flag of the given
// kind.
func checkFlag(f *parser.Flag, kind flagKind) *diag.Diagnostic {
	missing := !f.HasValue
	if kind == boolFlag {
		missing = f.HasValue && f.Value == ""
	}
	if missing {
		return diag.Errorf(f.Text.Range(), "missing a value on flag: --%s", f.Name)
	}
	if kind == boolFlag {
		switch strings.ToLower(f.Value) {
		case "true", "false", "":
		default:
			return diag.Errorf(f.ValueRange, "expecting boolean value for flag --%s, not: %s", f.Name, f.Value)
		}
	}
	return nil
}

// hintMissingEquals adds a hint to d if the last flag of the instruction has no value and
// a word follows the flag. In this case, the author probably wrote a space instead of =.
func hintMissingEquals(d *diag.Diagnostic, in *parser.Instruction) *diag.Diagnostic {
	if len(in.Flags) == 0 || in.Rest.Len() == 0 {
		return d
	}
	if f := in.Flags[len(in.Flags)-1]; !f.HasValue {
		word := firstWord(in)
		d.Range = f.Text.Range().Join(word.Range())
		d.Hinted("the value of a flag follows =, write --%s=%s", f.Name, word)
	}
	return d
}

// firstWord returns the first word after the flags of an instruction.
func firstWord(in *parser.Instruction) source.Text {
	s := in.Rest.String()
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return in.Rest.Slice(0, i)
	}
	return in.Rest
}

// findFlag returns the flag in specs with the given name, and whether specs contains such a
// flag.
func findFlag(specs []flagSpec, name string) (flagSpec, bool) {
	for _, s := range specs {
		if s.name == name {
			return s, true
		}
	}
	return flagSpec{}, false
}

// flagNames returns the names of the flags in specs.
func flagNames(specs []flagSpec) []string {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.name
	}
	return names
}

// word returns the value of a string flag. If the flag is absent, it returns the zero
// Word.
func (s flagSet) word(name string) parser.Word {
	if len(s[name]) == 0 {
		return parser.Word{}
	}
	return flagWord(s[name][0])
}

// words returns the values of a list flag in order.
func (s flagSet) words(name string) []parser.Word {
	var list []parser.Word
	for _, f := range s[name] {
		list = append(list, flagWord(f))
	}
	return list
}

// bool returns the value of a bool flag, or nil if the flag is absent.
func (s flagSet) bool(name string) *bool {
	if len(s[name]) == 0 {
		return nil
	}
	v := !strings.EqualFold(s[name][0].Value, "false")
	return &v
}

// isSet reports whether a bool flag is present and true.
func (s flagSet) isSet(name string) bool {
	v := s.bool(name)
	return v != nil && *v
}

// flagWord returns the value of a flag, with the source text of the value.
func flagWord(f *parser.Flag) parser.Word {
	_, value := cutText(f.Text)
	return parser.Word{Value: f.Value, Text: value}
}
