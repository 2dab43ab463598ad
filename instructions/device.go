package instructions

import (
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/parser"
)

// deviceKeys lists the keys of --device that errors suggest for misspelt keys.
var deviceKeys = []string{"name", "required"}

// parseDevice parses the value of a --device flag.
//
//	device = field { "," field } .
//	field = [ "name=" ] name | "required" [ "=" bool ] .
//
// The first field that matches no other rule is the name, even if it contains =.
func parseDevice(f *parser.Flag) (Device, *diag.Diagnostic) {
	list, err := fields(f)
	if err != nil {
		return Device{}, diag.Errorf(err.location, "failed to parse csv devices: %w", err.cause)
	}
	var dev Device
	for _, field := range list {
		if d := dev.set(field); d != nil {
			return Device{}, d
		}
	}
	return dev, nil
}

// set parses one field of a --device flag into dev.
func (dev *Device) set(f field) *diag.Diagnostic {
	key, value, ok := strings.Cut(f.text, "=")
	start := len(key) + 1
	key = strings.ToLower(key)
	switch {
	case key == "required" && !ok:
		dev.Required = true
	case key == "required":
		v, err := strconv.ParseBool(value)
		if err != nil {
			return diag.Errorf(f.rangeOf(start, len(f.text)), "invalid value for %s: %s", key, value)
		}
		dev.Required = v
	case key == "name" && ok:
		if dev.Name != "" {
			return diag.Errorf(f.rangeOf(0, len(f.text)), "device name already set to %s", dev.Name)
		}
		dev.Name = value
	case dev.Name == "":
		dev.Name = f.text
	case !ok:
		return diag.Errorf(f.rangeOf(0, len(f.text)), "invalid field '%s' must be a key=value pair", f.text)
	default:
		return diag.Errorf(f.rangeOf(0, start-1), "unexpected key '%s' in '%s'%s", key, f.text, suggest.Hint(key, deviceKeys, true))
	}
	return nil
}
