package provenance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/internal/regularfile"
)

// DefaultEnvDir is the directory that describes this machine if no other one is given. BuildKit's
// daemon uses the same one.
const DefaultEnvDir = "/etc/buildkit/provenance.d"

// ReadEnv returns the properties of this machine that become part of all provenance. Each file in a
// directory whose name ends with .json is an object with such properties. A property in a later file
// replaces a property of the same name. If dir is "", the directory is [DefaultEnvDir], which need
// not exist.
func ReadEnv(dir string) (map[string]any, error) {
	optional := dir == ""
	if optional {
		dir = DefaultEnvDir
	}
	entries, err := os.ReadDir(dir)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("properties of the machine for provenance: %w", err)
	}
	env := map[string]any{}
	for _, e := range entries { // sorted by name
		if filepath.Ext(e.Name()) != ".json" || e.IsDir() {
			continue
		}
		file := filepath.Join(dir, e.Name())
		data, err := regularfile.Read(file)
		if err != nil {
			return nil, fmt.Errorf("properties of the machine for provenance: %w", err)
		}
		if err := json.Unmarshal(data, &env); err != nil {
			return nil, fmt.Errorf("properties of the machine for provenance: %s: %w (want a JSON object)", file, err)
		}
	}
	return env, nil
}
