package instructions

import (
	"regexp"
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// parseMount parses a --mount flag. It evaluates only the field from=. This field must not
// contain variables, unless the parameter variables is true, because it determines the order of
// the stages. If from= occurs several times, the last one is used. Package plan expands and
// validates the other fields.
//
//	mount = field { "," field } .
//	field = key [ "=" value ] .
func parseMount(f *parser.Flag, variables bool) (Mount, *diag.Diagnostic) {
	list, err := fields(f)
	if err != nil {
		d := diag.Errorf(err.location, "failed to parse csv mounts: %w", err.cause)
		if f.Value == "" {
			d.Range = f.Text.Range()
			d.Hinted("a mount has fields, such as --mount=type=cache,target=/path")
		}
		return Mount{}, d
	}
	m := Mount{Flag: f}
	for _, field := range list {
		v := MountField{Text: field.text, Range: field.rangeOf(0, len(field.text))}
		key, value, ok := strings.Cut(field.text, "=")
		v.Key, v.Value, v.HasValue = strings.ToLower(key), value, ok
		m.Fields = append(m.Fields, v)
		if !ok || v.Key != "from" {
			continue
		}
		// Upstream: a trailing $ is not a variable.
		if i := strings.IndexByte(value, '$'); i >= 0 && i < len(value)-1 && !variables {
			return Mount{}, diag.Errorf(field.rangeOf(len(key)+1, len(field.text)), "'%s' doesn't support variable expansion, define alias stage instead", v.Key)
		}
		m.From, m.FromAt = value, field.rangeOf(len(key)+1, len(field.text))
	}
	return m, nil
}

// separateField matches a word that probably belongs to the --mount flag before it,
// although a space separates the word from the flag. Such a word looks like a field of
// the mount, or like "=value".
var separateField = regexp.MustCompile(`^(=.|(type|from|source|src|target|dst|destination|readonly|ro|readwrite|rw|id|sharing|required|size|mode|uid|gid|env)=)`)

// HintMount adds a hint to d, the error about the last --mount flag of the RUN
// instruction r, if a space probably splits the flag between two fields. It returns d.
func (r *Run) HintMount(d *diag.Diagnostic) *diag.Diagnostic {
	if len(r.In.Flags) == 0 || d.Hint != "" {
		return d
	}
	last, word := r.In.Flags[len(r.In.Flags)-1], firstWord(r.In)
	if last.Name != "mount" || !isInside(d.Range, last.Text.Range()) || !separateField.MatchString(word.String()) {
		return d
	}
	comma := ","
	if strings.HasPrefix(word.String(), "=") {
		comma = ""
	}
	d.Hinted("the fields of a mount are joined by commas without spaces, write %s%s%s", strings.TrimRight(last.Text.String(), ","), comma, word)
	return d.Note(word.Range(), "a space before %s ends the mount", word)
}
