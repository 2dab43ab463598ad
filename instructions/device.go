package instructions

import (
	"strconv"
	"strings"

	"github.com/tonistiigi/go-csvvalue"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/parser"
)

var deviceKeys = []string{"name", "required"}

// parseDevice reads --device=NAME[,required[=BOOL]] or --device=name=NAME….
// Names may have a = themselves: the first field that is no known key is one.
func parseDevice(f *parser.Flag) (Device, *diag.Diagnostic) {
	fields, err := csvvalue.Fields(f.Value, nil)
	if err != nil {
		return Device{}, diag.Errorf(f.ValueAt, "failed to parse csv devices: %w", err)
	}
	var dev Device
	places := fieldPlaces(f, fields)
	for i, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		switch key = strings.ToLower(key); {
		case key == "required" && !ok:
			dev.Required = true
		case key == "required":
			if dev.Required, err = strconv.ParseBool(value); err != nil {
				return dev, diag.Errorf(places[i], "invalid value for %s: %s", key, value)
			}
		case key == "name" && ok:
			if dev.Name != "" {
				return dev, diag.Errorf(places[i], "device name already set to %s", dev.Name)
			}
			dev.Name = value
		case dev.Name == "":
			dev.Name = field
		case !ok:
			return dev, diag.Errorf(places[i], "invalid field '%s' must be a key=value pair", field)
		default:
			return dev, diag.Errorf(places[i], "unexpected key '%s' in '%s'%s", key, field, suggest.Hint(key, deviceKeys, true))
		}
	}
	return dev, nil
}
