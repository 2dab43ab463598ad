package shell_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"slipway/shell"
)

// FuzzExpand checks the invariants of any expansion: no panic, offsets within the word,
// equal errors from Expand and Fields, and no change to text without special characters.
func FuzzExpand(f *testing.F) {
	f.Fuzz(func(t *testing.T, word, a, b string, escape, mode byte) {
		x := shell.Expander{Escape: '\\', Mode: shell.Mode(mode % 16)}
		if escape%2 == 1 {
			x.Escape = '`'
		}
		env := shell.Map{"a": a, "b": b}
		res, err := x.Expand(word, env)
		checkUses(t, word, res)
		fields, fieldsErr := x.Fields(word, env)
		// Only Expand may report that the result is too long, because Fields drops white
		// space.
		if err == nil && fieldsErr != nil || fieldsErr == nil && err != nil && !strings.Contains(err.Error(), "MiB") {
			t.Fatalf("Expand: %v\nFields: %v", err, fieldsErr)
		}
		if err != nil {
			e, ok := errors.AsType[*shell.Error](err)
			if !ok || e.Word != word || e.Offset < 0 || e.Offset > len(word) || res.Value != "" {
				t.Fatalf("%#v, value %q", err, res.Value)
			}
			return
		}
		checkFields(t, word, fields)
		if !strings.ContainsAny(word, `$\'"`+"`") && utf8.ValidString(word) && !strings.HasPrefix(word, "\ufeff") && res.Value != word {
			t.Fatalf("%q became %q", word, res.Value)
		}
	})
}

// checkUses checks the offsets and names of the variables in the result of an expansion.
func checkUses(t *testing.T, word string, res shell.Expansion) {
	t.Helper()
	seen := map[string]bool{}
	last := -1
	for _, u := range res.Unmatched {
		if seen[u.Name] || u.Offset <= last || u.End > len(word) || !strings.HasPrefix(strings.TrimPrefix(word[u.Offset+1:u.End], "{"), u.Name) {
			t.Fatalf("use %+v of %q", u, word)
		}
		seen[u.Name], last = true, u.Offset
	}
	for _, name := range res.Matched {
		if seen[name] || name != "a" && name != "b" {
			t.Fatalf("matched %q", name)
		}
		seen[name] = true
	}
}

// checkFields checks that no field is empty, and that the fields have the same order as in
// the word.
func checkFields(t *testing.T, word string, fields []shell.Field) {
	t.Helper()
	for i, f := range fields {
		if f.Text == "" || f.Start < 0 || f.Start >= f.End || f.End > len(word) || i > 0 && f.Start < fields[i-1].Start {
			t.Fatalf("field %d is %+v", i, f)
		}
	}
}
