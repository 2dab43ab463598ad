// Command buildkitd starts slipway serve with the flags and the configuration file of BuildKit's
// daemon. BuildKit's own tests start a program of this name, so that with this one they test our
// server.
//
// The program slipway must be in the same directory. Flags and settings without a counterpart in
// slipway serve are ignored: tests that need them fail.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/pelletier/go-toml/v2"
)

// daemonConfig contains the settings in buildkitd.toml that slipway serve supports.
type daemonConfig struct {
	Entitlements []string                  `toml:"insecure-entitlements"`
	Registries   map[string]registryConfig `toml:"registry"`
	History      historyConfig             `toml:"history"`
	CDI          cdiConfig                 `toml:"cdi"`
	// ProvenanceEnvDir is the directory with properties of the machine for provenance.
	ProvenanceEnvDir string `toml:"provenanceEnvDir"`
}

// historyConfig contains the settings for the history of builds.
type historyConfig struct {
	MaxEntries *int64 `toml:"maxEntries"`
}

// cdiConfig contains the settings for CDI devices.
type cdiConfig struct {
	SpecDirs []string `toml:"specDirs"`
}

// registryConfig contains the settings for the registry of one host.
type registryConfig struct {
	Mirrors []string `toml:"mirrors"`
}

func main() {
	fmt.Fprintln(os.Stderr, "buildkitd:", run(os.Args[1:]))
	os.Exit(1)
}

// run replaces this process with slipway serve. It returns only if an error occurs.
func run(args []string) error {
	serve, err := serveArgs(args)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	slipway := filepath.Join(filepath.Dir(self), "slipway")
	return fmt.Errorf("%s: %w", slipway, syscall.Exec(slipway, append([]string{slipway}, serve...), os.Environ()))
}

// serveArgs converts the arguments of buildkitd to arguments of slipway. It returns an error for
// flags that BuildKit's tests do not use.
func serveArgs(args []string) ([]string, error) {
	fs := flag.NewFlagSet("buildkitd", flag.ContinueOnError)
	addr := fs.String("addr", "", "")
	root := fs.String("root", "", "")
	file := fs.String("config", "", "")
	for _, name := range []string{"debug", "oci-worker", "containerd-worker", "oci-worker-gc"} {
		fs.Bool(name, false, "")
	}
	for _, name := range []string{"oci-worker-labels", "oci-worker-snapshotter"} {
		fs.String(name, "", "")
	}
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	out := []string{"serve", "--addr", *addr, "--state", filepath.Join(*root, "slipway"), "--keep-storage", "unlimited"}
	if *file == "" {
		return out, nil
	}
	data, err := os.ReadFile(*file)
	if err != nil {
		return nil, err
	}
	more, err := configArgs(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", *file, err)
	}
	return append(out, more...), nil
}

// configArgs converts the content of buildkitd.toml to flags of slipway serve.
func configArgs(data []byte) ([]string, error) {
	var c daemonConfig
	if err := toml.Unmarshal(data, &c); err != nil {
		return nil, err
	}
	var out []string
	for _, name := range c.Entitlements {
		out = append(out, "--allow-insecure-entitlement", name)
	}
	if n := c.History.MaxEntries; n != nil && *n == 0 {
		out = append(out, "--no-history")
	}
	if c.ProvenanceEnvDir != "" {
		out = append(out, "--provenance-env-dir", c.ProvenanceEnvDir)
	}
	for _, host := range slices.Sorted(maps.Keys(c.Registries)) {
		for _, mirror := range c.Registries[host].Mirrors {
			out = append(out, "--mirror", host+"=http://"+mirror)
		}
	}
	for _, dir := range c.CDI.SpecDirs {
		out = append(out, "--cdi-spec-dir", dir)
	}
	return out, nil
}
