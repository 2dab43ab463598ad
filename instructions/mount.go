package instructions

import (
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// parseMount splits a --mount value into fields. Of these only from is looked
// at, because it makes an edge between stages; the others may have variables.
func parseMount(f *parser.Flag) (Mount, *diag.Diagnostic) {
	fields, err := csvvalue.Fields(f.Value, nil)
	if err != nil {
		return Mount{}, diag.Errorf(f.ValueAt, "failed to parse csv mounts: %w", err)
	}
	m := Mount{Flag: f}
	places := fieldPlaces(f, fields)
	for i, text := range fields {
		key, value, ok := strings.Cut(text, "=")
		field := MountField{Text: text, Key: strings.ToLower(key), Value: value, HasValue: ok, Range: places[i]}
		m.Fields = append(m.Fields, field)
		if field.Key != "from" || !ok {
			continue
		}
		// Upstream: a $ at the very end is let through.
		if at := strings.IndexByte(value, '$'); at >= 0 && at != len(value)-1 {
			return m, diag.Errorf(field.Range, "'%s' doesn't support variable expansion, define alias stage instead", field.Key)
		}
		m.From = value
	}
	return m, nil
}

// fieldPlaces returns where the fields stand: each by itself if nothing is
// quoted, else all in the whole value.
func fieldPlaces(f *parser.Flag, fields []string) []source.Range {
	places := make([]source.Range, len(fields))
	t := f.ValueAt.Text()
	exact := t.String() == strings.Join(fields, ",")
	pos := 0
	for i, field := range fields {
		places[i] = f.ValueAt
		if exact {
			places[i] = t.Slice(pos, pos+len(field)).Range()
			pos += len(field) + 1
		}
	}
	return places
}
