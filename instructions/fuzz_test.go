package instructions

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// FuzzParse checks invariants of Parse for any file: the range of an error is inside the
// instruction, every instruction has a command or an error, and source ranges match the
// parsed values. Most seeds in testdata have flags and mounts.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, content []byte) {
		file, diags := parser.Parse(source.NewFile("Dockerfile", content))
		if diags.Err() != nil {
			return
		}
		d, diags := Parse(file)
		for _, fault := range diags {
			checkRange(t, fault)
		}
		again, more := Parse(file)
		if len(again.Stages) != len(d.Stages) || len(more) != len(diags) || messages(more) != messages(diags) {
			t.Errorf("a second parse differs: %v, %v", diags, more)
		}
		commands := len(d.Args) + len(d.Stages)
		for _, st := range d.Stages {
			commands += len(st.Commands)
			for _, c := range st.Commands {
				checkCommand(t, c)
			}
		}
		if n := len(file.Instructions()); diags.Err() == nil && commands != n {
			t.Errorf("%d commands of %d instructions", commands, n)
		}
	})
}

// messages returns the messages of all diagnostics, one per line.
func messages(l diag.List) string {
	var b strings.Builder
	for _, d := range l {
		b.WriteString(d.Message + "\n")
	}
	return b.String()
}

// checkRange checks that the range of the diagnostic d is inside its context, the lines
// that clients show.
func checkRange(t *testing.T, d *diag.Diagnostic) {
	t.Helper()
	if d.Context.IsZero() || !isInside(d.Range, d.Context) {
		t.Errorf("%s: at %v, shown is %v", d.Message, d.Range, d.Context)
	}
}

// checkCommand checks that the source ranges in the command c are inside the instruction
// and match the values of the command's words.
func checkCommand(t *testing.T, c Command) {
	t.Helper()
	all := c.Syntax().Rng
	switch c := c.(type) {
	case *Run:
		for _, m := range c.Mounts {
			checkMount(t, m)
		}
	case *Copy:
		for _, i := range c.Inline {
			if !isInside(i.Range, all) {
				t.Errorf("heredoc %s is at %v", i.Name, i.Range)
			}
		}
	case *Arg:
		for _, a := range c.Args {
			if a.Default != nil && a.Word.Value != a.Key+"="+a.Default.Value {
				t.Errorf("ARG %s is not %s=%s", a.Word.Value, a.Key, a.Default.Value)
			}
		}
	default: // has no ranges to check
	}
}

// checkMount checks that the fields of a mount are inside the flag, in order, and do not
// overlap.
func checkMount(t *testing.T, m Mount) {
	t.Helper()
	flag := m.Flag.Text.Range()
	end := flag.Start
	for _, f := range m.Fields {
		if !isInside(f.Range, flag) {
			t.Errorf("field %q of %s is at %v", f.Text, m.Flag.Raw, f.Range)
		}
		if f.Range != m.Flag.ValueRange && f.Range.Start < end {
			t.Errorf("field %q of %s overlaps the previous field", f.Text, m.Flag.Raw)
		} else if f.Range != m.Flag.ValueRange {
			end = f.Range.End
		}
	}
}

// TestUnquote checks that unquote returns the right index for each byte of a flag's
// value: the position of the byte in the text of the flag.
func TestUnquote(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []int
	}{
		{`--a=b`, []int{0, 1, 2, 3, 4}},
		{`--a='b\''`, []int{0, 1, 2, 3, 5, 7}},
		{`--a=é`, []int{0, 1, 2, 3, 4, 4, 5, 5}},
		{`--a="b" \`, []int{0, 1, 2, 3, 5, 7}},
	} {
		_, from := unquote(tc.text, '\\')
		if d := cmp.Diff(tc.want, from); d != "" {
			t.Errorf("%s: %s", tc.text, d)
		}
	}
}
