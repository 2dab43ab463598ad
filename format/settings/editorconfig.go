package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"mvdan.cc/editorconfig"
)

// maxConfig is the maximum size in bytes of a configuration file.
const maxConfig = 1 << 20

// editorconfig returns the properties for the file at path from the .editorconfig files in its
// directory and above.
func (r *Reader) editorconfig(path string) (map[string]string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	properties := map[string]string{}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		f, err := r.editorFile(dir)
		if err != nil {
			return nil, err
		}
		if f != nil {
			r.addProperties(properties, f, strings.TrimLeft(path[len(dir):], string(filepath.Separator)))
		}
		if f != nil && f.Root || dir == filepath.Dir(dir) {
			return properties, nil
		}
	}
}

// addProperties adds the properties of all sections of f that match the name. Properties that
// exist stay. Later sections take precedence.
func (r *Reader) addProperties(properties map[string]string, f *editorconfig.File, name string) {
	for i := len(f.Sections) - 1; i >= 0; i-- {
		for _, p := range r.matching(&editorconfig.File{Sections: f.Sections[i : i+1]}, name) {
			if _, ok := properties[p.Name]; !ok {
				properties[p.Name] = p.Value
			}
		}
	}
}

// matching returns the properties of a file with one section if the section matches the name. A
// section with an invalid pattern, for which package editorconfig panics, matches nothing.
func (r *Reader) matching(f *editorconfig.File, name string) (list []editorconfig.Property) {
	defer func() {
		if recover() != nil {
			list = nil
		}
	}()
	return f.Filter(name, nil, r.patterns).Properties
}

// editorFile reads the .editorconfig file in dir. It returns nil if the file does not exist.
func (r *Reader) editorFile(dir string) (*editorconfig.File, error) {
	if f, ok := r.editorconfigs[dir]; ok {
		return f, nil
	}
	data, err := readConfig(filepath.Join(dir, editorconfig.DefaultName))
	if err != nil {
		return nil, err
	}
	var f *editorconfig.File
	if data != nil {
		if f, err = editorconfig.Parse(bytes.NewReader(data)); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, editorconfig.DefaultName), err)
		}
	}
	if r.editorconfigs == nil {
		r.editorconfigs = map[string]*editorconfig.File{}
		r.patterns = map[string]*regexp.Regexp{}
	}
	r.editorconfigs[dir] = f
	return f, nil
}

// readConfig reads a configuration file. If the file does not exist, it returns nil.
func readConfig(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, nil
	case info.Size() > maxConfig:
		return nil, fmt.Errorf("%s: is larger than 1 MiB", path)
	}
	return os.ReadFile(path)
}
