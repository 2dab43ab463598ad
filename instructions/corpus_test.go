package instructions

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"slipway/internal/golden"
	"slipway/parser"
	"slipway/source"
)

// TestCorpus compares the parsed instructions of each corpus case with the section
// out/instructions, if the case has this section.
func TestCorpus(t *testing.T) {
	n := 0
	for _, c := range golden.Cases(t) {
		if _, ok := c.Out("instructions"); ok {
			n++
		}
	}
	if n < 30 {
		t.Errorf("%d cases have a section out/instructions, want 30", n)
	}
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		if _, ok := c.Out("instructions"); !ok {
			return
		}
		f, diags := parser.Parse(source.NewFile("Dockerfile", c.Dockerfile()))
		if diags.Err() != nil {
			t.Fatal(diags.Err())
		}
		d, diags := Parse(f)
		var b strings.Builder
		for _, d := range diags {
			fmt.Fprintf(&b, "error%s %s\n", formatRange(d.Range), d.Message)
		}
		for _, a := range d.Args {
			dumpCommand(&b, "", a)
		}
		for _, st := range d.Stages {
			dumpCommand(&b, "", st.From)
			fmt.Fprintf(&b, "  stage %q %q\n", st.Name, st.Doc)
			for _, c := range st.Commands {
				dumpCommand(&b, "  ", c)
			}
		}
		c.Check(t, "instructions", []byte(b.String()))
	})
}

// dumpCommand prints the nonzero fields of a command, one per line.
func dumpCommand(b *strings.Builder, indent string, c Command) {
	v := reflect.ValueOf(c).Elem()
	first, last := c.Syntax().Rng.Lines()
	fmt.Fprintf(b, "%s%s %d-%d\n", indent, v.Type().Name(), first, last)
	dumpFields(b, indent+"  ", v)
}

// dumpFields prints the fields of the struct v, one per line.
func dumpFields(b *strings.Builder, indent string, v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Type().Field(i); {
		case f.Type == reflect.TypeFor[Node]():
		case f.Type == reflect.TypeFor[CommandLine]():
			dumpFields(b, indent, v.Field(i))
		default:
			dumpField(b, indent, f.Name, v.Field(i))
		}
	}
}

// dumpField prints a field of a struct with its name and its value v. It prints nothing
// for a zero value.
func dumpField(b *strings.Builder, indent, name string, v reflect.Value) {
	if v.Kind() == reflect.Slice && !v.IsNil() {
		for i := range v.Len() {
			dumpField(b, indent, name, v.Index(i))
		}
		if v.Len() == 0 {
			fmt.Fprintf(b, "%s%s empty\n", indent, name)
		}
		return
	}
	if v.IsZero() && v.Kind() != reflect.String {
		return
	}
	switch x := v.Interface().(type) {
	case parser.Word:
		if !x.Text.IsZero() {
			fmt.Fprintf(b, "%s%s%s %q\n", indent, name, formatRange(x.Text.Range()), x.Value)
		}
	case *parser.Word:
		fmt.Fprintf(b, "%s%s%s %q\n", indent, name, formatRange(x.Text.Range()), x.Value)
	case source.Range:
		fmt.Fprintf(b, "%s%s%s\n", indent, name, formatRange(x))
	case *parser.Flag:
		fmt.Fprintf(b, "%s%s%s %q\n", indent, name, formatRange(x.Text.Range()), x.Raw)
	case parser.Heredoc:
		fmt.Fprintf(b, "%s%s%s %s chomp=%t %q\n", indent, name, formatRange(x.Word.Range()), x.Name, x.Chomp, x.Content())
	case MountField:
		fmt.Fprintf(b, "%s%s%s %q\n", indent, name, formatRange(x.Range), x.Text)
	case *bool:
		fmt.Fprintf(b, "%s%s %t\n", indent, name, *x)
	case string:
		if x != "" {
			fmt.Fprintf(b, "%s%s %q\n", indent, name, x)
		}
	default:
		if v.Kind() != reflect.Struct {
			fmt.Fprintf(b, "%s%s %v\n", indent, name, x)
			return
		}
		fmt.Fprintf(b, "%s%s\n", indent, name)
		dumpFields(b, indent+"  ", v)
	}
}

// formatRange returns a space and the range as LINE:COLUMN-LINE:COLUMN, or "" for the
// zero range.
func formatRange(r source.Range) string {
	if r.IsZero() {
		return ""
	}
	from, to := r.Position(), r.File.Position(r.End)
	return fmt.Sprintf(" %d:%d-%d:%d", from.Line, from.Column, to.Line, to.Column)
}
