package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// parseMount reads a --mount as far as that is possible without variables: only
// the stage that it is from, of which the last mention counts. The plan checks
// the rest.
//
//	mount = field { "," field } .
//	field = key [ "=" value ] .
func parseMount(f *parser.Flag) (Mount, *diag.Diagnostic) {
	list, err := fields(f)
	if err != nil {
		return Mount{}, diag.Errorf(err.at, "failed to parse csv mounts: %w", err.cause)
	}
	m := Mount{Flag: f}
	for _, field := range list {
		v := MountField{Text: field.text, Range: field.at(0, len(field.text))}
		key, value, ok := strings.Cut(field.text, "=")
		v.Key, v.Value, v.HasValue = strings.ToLower(key), value, ok
		m.Fields = append(m.Fields, v)
		if !ok || v.Key != "from" {
			continue
		}
		// Upstream: a $ at the end is not taken for a variable.
		if i := strings.IndexByte(value, '$'); i >= 0 && i < len(value)-1 {
			return Mount{}, diag.Errorf(field.at(len(key)+1, len(field.text)), "'%s' doesn't support variable expansion, define alias stage instead", v.Key)
		}
		m.From, m.FromAt = value, field.at(len(key)+1, len(field.text))
	}
	return m, nil
}
