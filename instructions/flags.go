package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/parser"
)

// kind says what values a flag takes.
type kind int

const (
	text     kind = iota // --name=value, once
	textList             // --name=value, repeatable
	boolean              // --name or --name=true|false, once
)

// flag is a flag that an instruction has.
type flag struct {
	name string
	kind kind
}

// flags are the values of an instruction's flags, by name.
type flags map[string][]*parser.Flag

// parseFlags checks an instruction's flags against those it has.
func (r *request) parseFlags(known ...flag) (flags, *diag.Diagnostic) {
	values := flags{}
	for i := range r.in.Flags {
		f := &r.in.Flags[i]
		k, ok := find(known, f.Name)
		if !ok {
			return nil, diag.Errorf(f.NameAt, "unknown flag: --%s%s", f.Name, suggest.Hint(f.Name, names(known), true))
		}
		if len(values[f.Name]) > 0 && k.kind != textList {
			return nil, diag.Errorf(f.Text.Range(), "duplicate flag specified: --%s", f.Name)
		}
		if d := k.check(f); d != nil {
			return nil, d
		}
		values[f.Name] = append(values[f.Name], f)
	}
	return values, nil
}

func find(known []flag, name string) (flag, bool) {
	for _, k := range known {
		if k.name == name {
			return k, true
		}
	}
	return flag{}, false
}

func names(known []flag) []string {
	list := make([]string, len(known))
	for i, k := range known {
		list[i] = k.name
	}
	return list
}

func (k flag) check(f *parser.Flag) *diag.Diagnostic {
	if k.kind != boolean {
		if !f.HasValue {
			return diag.Errorf(f.Text.Range(), "missing a value on flag: --%s", f.Name)
		}
		return nil
	}
	if f.HasValue && f.Value == "" {
		return diag.Errorf(f.Text.Range(), "missing a value on flag: --%s", f.Name)
	}
	switch strings.ToLower(f.Value) {
	case "", "true", "false":
		return nil
	}
	return diag.Errorf(f.ValueAt, "expecting boolean value for flag --%s, not: %s", f.Name, f.Value)
}

// word returns the value of a text flag; an empty word without.
func (v flags) word(name string) parser.Word {
	list := v[name]
	if len(list) == 0 {
		return parser.Word{}
	}
	f := list[0]
	return parser.Word{Value: f.Value, Text: f.ValueAt.Text()}
}

// value returns the value of a text flag, or the default.
func (v flags) value(name, otherwise string) string {
	if len(v[name]) == 0 {
		return otherwise
	}
	return v[name][0].Value
}

// list returns the values of a repeatable flag.
func (v flags) list(name string) []string {
	var values []string
	for _, f := range v[name] {
		values = append(values, f.Value)
	}
	return values
}

// on returns the value of a boolean flag; nil without.
func (v flags) on(name string) *bool {
	if len(v[name]) == 0 {
		return nil
	}
	b := !strings.EqualFold(v[name][0].Value, "false")
	return &b
}

func (v flags) isOn(name string) bool {
	b := v.on(name)
	return b != nil && *b
}
