package config

import (
	"os"
	"path/filepath"
	"strings"

	"slipway/diag"
	"slipway/internal/configfile"
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

// hadolintFiles returns the names of hadolint's configuration file, in the order in which they are
// tried.
func hadolintFiles() []string { return []string{".hadolint.yaml", ".hadolint.yml"} }

// Find returns the path of the configuration for the files in dir, or "". It searches dir and
// the directories above, up to the root of the repository. The environment env returns the
// values of variables, such as os.Getenv.
func Find(dir string, env func(string) string) string {
	if path := configfile.Find(dir, configfile.Names()); path != "" {
		return path
	}
	if path := configfile.Find(dir, hadolintFiles()); path != "" {
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

// isFile reports whether a path is a file.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// Load reads the configuration in a file. Errors about its content are diagnostics.
func Load(path string, names Names) (*Config, error) {
	f, err := configfile.Read(path)
	if err != nil {
		return nil, err
	}
	return parse(f, names)
}

// Parse reads a configuration. Files whose name starts with hadolint, or with .hadolint, have
// hadolint's keys. Errors are diagnostics.
func Parse(s *source.File, names Names) (*Config, error) {
	f, err := configfile.Parse(s)
	if err != nil {
		return nil, err
	}
	return parse(f, names)
}

// parse reads a configuration, and first the one that it extends.
func parse(f *configfile.File, names Names) (*Config, error) {
	path := f.Source.Name
	p := &parser{file: f, names: names, cfg: &Config{Path: path, Settings: lint.Settings{Severity: map[string]diag.Severity{}}}}
	hadolint := isHadolint(path)
	if f.Top == nil {
		return p.finish(hadolint)
	}
	keys := p.hadolintKeys()
	if !hadolint {
		keys = p.ownKeys()
		if err := p.base(); err != nil {
			return nil, err
		}
	}
	p.mapping(f.Top, keys)
	return p.finish(hadolint)
}

// isHadolint reports whether a file has hadolint's keys.
func isHadolint(path string) bool {
	return strings.Contains(filepath.Base(path), "hadolint") || filepath.Base(filepath.Dir(path)) == ".hadolint"
}
