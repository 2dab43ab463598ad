package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"slipway/diag"
	"slipway/lint"
	"slipway/source"
)

// Config is a configuration.
type Config struct {
	Path     string // the file; "" if no file was found
	Hadolint bool   // whether the file or the profile is hadolint's
	Settings lint.Settings
	FailOn   *diag.Severity // nil if the file does not set it
	NoFail   bool
	NoColor  bool
	Formats  []string
	Target   string
	Context  string
	Args     map[string]string
	Files    []Override
	Exclude  []string
	Baseline string

	ShellCheck string // "auto", "off" or ""; "" is "auto"
	Resolve    string // "cached", "never" or ""; "" is "cached"
}

// Override changes the severity of rules for some files.
type Override struct {
	Match    string // a pattern of paths below the directory of the configuration
	Severity map[string]diag.Severity
}

// Names expands the names of rules in a configuration. [lint.Linter] implements it.
type Names interface {
	Expand(name string) []string
	Names() []string
	Rules() []*lint.Rule
}

// ownFiles and hadolintFiles are the names of configuration files, in the order in which they
// are tried.
func ownFiles() []string      { return []string{".slipway.yaml", "slipway.yaml"} }
func hadolintFiles() []string { return []string{".hadolint.yaml", ".hadolint.yml"} }

// Find returns the path of the configuration for the files in dir, or "". It searches dir and
// the directories above, up to the root of the repository. The environment env returns the
// values of variables, such as os.Getenv.
func Find(dir string, env func(string) string) string {
	if path := upwards(dir, ownFiles()); path != "" {
		return path
	}
	if path := upwards(dir, hadolintFiles()); path != "" {
		return path
	}
	home := env("HOME")
	xdg := env("XDG_CONFIG_HOME")
	if xdg == "" && home != "" {
		xdg = filepath.Join(home, ".config")
	}
	var user []string
	if xdg != "" {
		user = append(user, filepath.Join(xdg, "hadolint.yaml"))
	}
	if home != "" {
		user = append(user, filepath.Join(home, ".hadolint", "hadolint.yaml"), filepath.Join(home, ".hadolint", "config.yaml"), filepath.Join(home, ".hadolint.yaml"))
	}
	for _, path := range user {
		if isFile(path) {
			return path
		}
	}
	return ""
}

// upwards returns the first of the named files in dir or the directories above, or "".
func upwards(dir string, names []string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		for _, n := range names {
			if path := filepath.Join(dir, n); isFile(path) {
				return path
			}
		}
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil || filepath.Dir(dir) == dir {
			return ""
		}
		dir = filepath.Dir(dir)
	}
}

// isFile reports whether a path is a file.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// maxFile is the maximum size of a configuration in bytes.
const maxFile = 1 << 20

// Load reads the configuration in a file.
func Load(path string, names Names) (*Config, error) { return load(path, names, 0) }

// load reads a configuration that depth other files extend.
func load(path string, names Names, depth int) (*Config, error) {
	data, err := os.ReadFile(path)
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxFile:
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return parse(source.NewFile(path, data), names, depth)
}

// Parse reads a configuration. Files whose name starts with hadolint, or with .hadolint, have
// hadolint's keys. Errors are diagnostics.
func Parse(f *source.File, names Names) (*Config, error) { return parse(f, names, 0) }

// parse reads a configuration that depth other files extend.
func parse(f *source.File, names Names, depth int) (*Config, error) {
	p := &parser{file: f, names: names, cfg: &Config{Path: f.Name}, depth: depth}
	p.cfg.Settings.Severity = map[string]diag.Severity{}
	var doc yaml.Node
	if err := yaml.Unmarshal(f.Bytes, &doc); err != nil {
		return nil, p.syntaxError(err)
	}
	if len(doc.Content) == 0 {
		return p.finish(isHadolint(f.Name))
	}
	hadolint := isHadolint(f.Name)
	keys := p.ownKeys()
	if hadolint {
		keys = p.hadolintKeys()
	}
	p.base(doc.Content[0])
	p.mapping(doc.Content[0], keys)
	return p.finish(hadolint)
}

// isHadolint reports whether a file has hadolint's keys.
func isHadolint(path string) bool {
	return strings.Contains(filepath.Base(path), "hadolint") || filepath.Base(filepath.Dir(path)) == ".hadolint"
}
