package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"

	"slipway/builder"
	"slipway/builder/state"
)

// parse converts the flags to the build options f.opt, and checks the result.
func (f *buildFlags) parse(given flagSet) error {
	for _, part := range []func(flagSet) error{f.parseState, f.parseValues, f.parseSteps, f.parseResources, f.parseOutputs, f.parseAttests, f.parseCall, f.parseProgress} {
		if err := part(given); err != nil {
			return err
		}
	}
	return f.opt.Check()
}

// parseState parses the flags for the state directory and the builder.
func (f *buildFlags) parseState(given flagSet) error {
	o := &f.opt
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if len(f.files) > 1 {
		return fmt.Errorf("--file: %d files are named (name one)", len(f.files))
	}
	o.File = strings.Join(f.files, "")
	if f.syntax != "builtin" && f.syntax != "image" {
		return fmt.Errorf("--syntax: unknown value %q (use builtin or image)", f.syntax)
	}
	o.SyntaxImage = f.syntax == "image"
	if o.NoCache && len(o.NoCacheFilter) > 0 {
		return errors.New("--no-cache and --no-cache-filter cannot be used together (--no-cache is for all stages)")
	}
	if f.builder.Address != "" {
		for _, name := range []string{"state", "runner", "unisolated", "jobs", "keep-storage", "mirror", "explain"} {
			if given.Changed(name) {
				return fmt.Errorf("--%s is for builds in this process, and has no meaning with --builder", name)
			}
		}
		o.Builder = &f.builder
		o.State, _ = state.Default() // "" means that incomplete outputs are not recorded
		return f.tlsFiles()
	}
	for _, name := range []string{"tlscacert", "tlscert", "tlskey", "tlsdir", "tlsservername"} {
		if given.Changed(name) {
			return fmt.Errorf("--%s needs --builder tcp://HOST:PORT", name)
		}
	}
	var err error
	if o.GC, err = parseGC(f.keepStorage); err != nil || o.State != "" {
		return err
	}
	o.State, err = state.Default()
	return err
}

// keepStorageVariable is the environment variable with the default value for --keep-storage.
const keepStorageVariable = "SLIPWAY_KEEP_STORAGE"

// parseGC parses flag, the value of --keep-storage. If flag is "", parseGC parses the value
// of the environment variable keepStorageVariable.
func parseGC(flag string) (state.GC, error) {
	name, value := "--keep-storage", flag
	if value == "" {
		name, value = keepStorageVariable, os.Getenv(keepStorageVariable)
	}
	gc, err := state.ParseGC(value)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return gc, err
}

// tlsFiles sets the paths of the TLS files in the directory that --tlsdir names. The files
// have the same names as the TLS files of buildctl.
func (f *buildFlags) tlsFiles() error {
	if f.tlsDir == "" {
		return nil
	}
	if f.builder.CACert != "" || f.builder.Cert != "" || f.builder.Key != "" {
		return errors.New("--tlsdir names all files: leave out --tlscacert, --tlscert and --tlskey")
	}
	for _, file := range []struct {
		dest  *string
		names []string
	}{
		{&f.builder.CACert, []string{"ca.pem", "ca.crt"}},
		{&f.builder.Cert, []string{"cert.pem", "tls.crt"}},
		{&f.builder.Key, []string{"key.pem", "tls.key"}},
	} {
		i := slices.IndexFunc(file.names, func(name string) bool {
			_, err := os.Stat(filepath.Join(f.tlsDir, name))
			return err == nil
		})
		if i < 0 {
			return fmt.Errorf("--tlsdir %s has no %s", f.tlsDir, strings.Join(file.names, " and no "))
		}
		*file.dest = filepath.Join(f.tlsDir, file.names[i])
	}
	return nil
}

// parseValues parses flags whose values have the form NAME=VALUE, and applies the
// environment variables that are defaults for flags.
func (f *buildFlags) parseValues(given flagSet) error {
	o := &f.opt
	o.BuildArgs = map[string]string{}
	for _, a := range f.args {
		k, v, ok := strings.Cut(a, "=")
		if k == "" {
			return fmt.Errorf("--build-arg %s is not KEY=VALUE", a)
		}
		if !ok {
			if v, ok = os.LookupEnv(k); !ok {
				continue // as docker build does
			}
		}
		o.BuildArgs[k] = v
	}
	o.Labels = map[string]string{}
	for _, l := range f.labels {
		k, v, _ := strings.Cut(l, "=")
		if k == "" {
			return fmt.Errorf("--label %s is not KEY=VALUE", l)
		}
		o.Labels[k] = v
	}
	var err error
	if o.Contexts, err = pairs("build-context", f.contexts); err != nil {
		return err
	}
	if o.Mirrors, err = pairs("mirror", f.mirrors); err != nil {
		return err
	}
	if f.secretSources, err = parseSecrets(f.secrets); err != nil {
		return err
	}
	if o.Annotations, err = annotations(f.annotations); err != nil {
		return err
	}
	for _, c := range f.cacheTo {
		list, err := builder.ParseCache(c)
		if err != nil {
			return fmt.Errorf("--cache-to: %w", err)
		}
		o.CacheTo = append(o.CacheTo, list...)
	}
	if inline, _ := strconv.ParseBool(o.BuildArgs["BUILDKIT_INLINE_CACHE"]); inline {
		o.CacheTo = append(o.CacheTo, client.CacheOptionsEntry{Type: "inline"}) // as buildx does
	}
	for _, c := range f.cacheFrom {
		list, err := builder.ParseCache(c)
		if err != nil {
			return fmt.Errorf("--cache-from: %w", err)
		}
		o.CacheFrom = append(o.CacheFrom, list...)
	}
	if err := f.environment(given); err != nil {
		return err
	}
	return f.parsePlatforms()
}

// parsePlatforms normalizes the platforms of --platform. The value local means the platform
// of this machine.
func (f *buildFlags) parsePlatforms() error {
	for i, v := range f.opt.Platforms {
		p := platforms.DefaultSpec()
		if !strings.EqualFold(v, "local") {
			var err error
			if p, err = platforms.Parse(v); err != nil {
				return fmt.Errorf("--platform %q: %w", v, err)
			}
		}
		f.opt.Platforms[i] = platforms.FormatAll(platforms.Normalize(p))
	}
	return nil
}

// parseSteps parses the flags that configure steps: --network, --shm-size, --ulimit,
// --add-host and --ssh.
func (f *buildFlags) parseSteps(flagSet) error {
	o := &f.opt
	var err error
	switch o.Network {
	case "default", "none", "":
	case "host":
		o.Allow = append(o.Allow, "network.host") // --network host implies --allow network.host
	default:
		return fmt.Errorf("--network %s: unknown network (use default, none or host)", o.Network)
	}
	if f.shmSize != "" {
		if o.ShmSize, err = parseSize(units.RAMInBytes, f.shmSize); err != nil {
			return fmt.Errorf("--shm-size %s: %w", f.shmSize, err)
		}
	}
	for _, l := range o.Ulimits {
		if _, err := units.ParseUlimit(l); err != nil {
			return fmt.Errorf("--ulimit %s: %w", l, err)
		}
	}
	for _, h := range f.hosts {
		host, err := extraHost(h)
		if err != nil {
			return err
		}
		o.AddHosts = append(o.AddHosts, host)
	}
	f.agents, err = parseAgents(f.ssh)
	return err
}

// parseSize parses a number of bytes with or without a unit, such as 64m. The parameter parse
// is a function of package units, which decides whether k means 1000 or 1024.
func parseSize(parse func(string) (int64, error), value string) (int64, error) {
	n, err := parse(value)
	switch {
	case err != nil:
		return 0, errors.New("not a size (want bytes, or a number with a unit such as 64m)")
	case n < 0 || n == math.MaxInt64: // the result of an overflow depends on the processor
		return 0, errors.New("too large (want less than 8 EiB)")
	}
	return n, nil
}

// extraHost converts a value of --add-host, HOST:IP or HOST=IP, to the form HOST=IP.
func extraHost(value string) (string, error) {
	host, ip, ok := strings.Cut(value, "=")
	if !ok {
		host, ip, _ = strings.Cut(value, ":")
	}
	if bare, ok := strings.CutPrefix(ip, "["); ok {
		ip = strings.TrimSuffix(bare, "]")
	}
	if host == "" || net.ParseIP(ip) == nil {
		return "", fmt.Errorf("--add-host %s is not HOST:IP, with an address such as 10.0.0.1 or ::1", value)
	}
	return host + "=" + ip, nil
}

// pairs converts a list of NAME=VALUE strings to a map. Error messages contain flag, the name
// of the flag whose values are in the list.
func pairs(flag string, list []string) (map[string]string, error) {
	m := map[string]string{}
	for _, s := range list {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("--%s %s is not NAME=VALUE", flag, s)
		}
		m[k] = v
	}
	return m, nil
}
