package options

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/plan"
)

// DefaultFilename is the Dockerfile's name where nobody gives another.
const DefaultFilename = "Dockerfile"

// Options are the options of one build.
type Options struct {
	Plan         plan.Options // without Platform and Resolver
	Filename     string
	Platforms    []ocispecs.Platform // asked for, in order; none leaves it to the image
	CacheImports []CacheImport
	SBOM         *Scanner // nil if no SBOM is asked for

	DockerfileDir   string            // name of the local source with the Dockerfile
	LocalDockerfile bool              // the Dockerfile is there even if the context is not local
	Sessions        map[string]string // local source → session, where not the build's own
	Context         string            // reference of a remote main context; "" is the local one
	ContextSubDir   *string           // directory of a remote main context to use; nil is its root
	KeepGitDir      bool              // a main context from git keeps .git
	CommitTimes     bool              // files of a main context from git have the commit's time
	Named           map[string]string // named contexts: name or name::platform → scheme:value
	SharedKeys      map[string]string // named context → what tells its local source from others
	InputMetadata   map[string]string // frontend input → its metadata as JSON

	RequestID  *string // sub-request; nil is a build
	Caps       string  // frontend capabilities that the client relies on
	Redirected bool    // we were chosen by # syntax or the like
}

// CacheImport is a place to import cache from.
type CacheImport struct {
	Type  string
	Attrs map[string]string
}

// setter puts an option's value into the options.
type setter func(o *Options, value string) error

// table is every key of its own. Keys that stand for a family are in families.
var table = map[string]setter{
	"target":             func(o *Options, v string) error { o.Plan.Target = v; return nil },
	"platform":           setPlatforms,
	"filename":           func(o *Options, v string) error { o.Filename = v; return nil },
	"dockerfilekey":      func(o *Options, v string) error { o.DockerfileDir, o.LocalDockerfile = v, true; return nil },
	"contextsubdir":      func(o *Options, v string) error { o.ContextSubDir = &v; return nil },
	"no-cache":           setNoCache,
	"cache-imports":      setCacheImports,
	"cache-from":         setCacheFrom,
	"image-resolve-mode": setResolveMode,
	"add-hosts":          setHosts,
	"force-network-mode": setNetwork,
	"hostname":           func(o *Options, v string) error { o.Plan.Hostname = v; return nil },
	"shm-size":           setShmSize,
	"ulimit":             setUlimits,
	"cgroup-parent":      func(o *Options, v string) error { o.Plan.CgroupParent = v; return nil },
	"requestid":          func(o *Options, v string) error { o.RequestID = &v; return nil },
	"frontend.caps":      func(o *Options, v string) error { o.Caps = v; return nil },
	"cmdline":            func(o *Options, _ string) error { o.Redirected = true; return nil },

	"memory":     limit("memory", func(r *plan.Resources) *int64 { return &r.Memory }, 1),
	"memswap":    limit("memswap", func(r *plan.Resources) *int64 { return &r.MemorySwap }, -1),
	"cpuquota":   limit("cpuquota", func(r *plan.Resources) *int64 { return &r.CPUQuota }, 1),
	"cpushares":  share("cpushares", func(r *plan.Resources) *uint64 { return &r.CPUShares }),
	"cpuperiod":  share("cpuperiod", func(r *plan.Resources) *uint64 { return &r.CPUPeriod }),
	"cpusetcpus": cpus("cpusetcpus", func(r *plan.Resources) *string { return &r.CPUSetCPUs }),
	"cpusetmems": cpus("cpusetmems", func(r *plan.Resources) *string { return &r.CPUSetMems }),

	"build-arg:BUILDKIT_CACHE_MOUNT_NS":       func(o *Options, v string) error { o.Plan.CacheIDNamespace = v; return nil },
	"build-arg:BUILDKIT_SANDBOX_HOSTNAME":     setHostnameArg,
	"build-arg:BUILDKIT_GIT_ADVICE":           setGitAdvice,
	"build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR": setKeepGitDir,
	"build-arg:SOURCE_DATE_EPOCH":             func(o *Options, v string) error { o.CommitTimes = v != ""; return nil },
}

// families are keys with a part that is free.
var families = []struct {
	prefix string
	set    func(o *Options, name, value string)
}{
	{"build-arg:", func(o *Options, k, v string) { o.Plan.BuildArgs[k] = v }},
	{"label:", func(o *Options, k, v string) { o.Plan.Labels[k] = v }},
	{"local-sessionid:", func(o *Options, k, v string) { o.Sessions[k] = v }},
	{"context:", func(o *Options, k, v string) { o.Named[k] = v }},
	{"sharedkey:localdir:", func(o *Options, k, v string) { o.SharedKeys[k] = v }},
	{"input-metadata:", func(o *Options, k, v string) { o.InputMetadata[k] = v }},
}

// Parse reads the options. Unknown keys are the business of others.
func Parse(opts map[string]string) (*Options, error) {
	o := &Options{
		Filename:      DefaultFilename,
		DockerfileDir: "dockerfile",
		Sessions:      map[string]string{},
		Named:         map[string]string{},
		SharedKeys:    map[string]string{},
		InputMetadata: map[string]string{},
	}
	o.Plan.BuildArgs = map[string]string{}
	o.Plan.Labels = map[string]string{}
	if opts["override-copy-image"] != "" {
		return nil, errors.New("support for \"override-copy-image\" was removed in BuildKit 0.11")
	}
	if on, _ := strconv.ParseBool(opts["build-arg:BUILDKIT_DISABLE_FILEOP"]); on {
		return nil, errors.New("support for \"BUILDKIT_DISABLE_FILEOP\" build-arg was removed in BuildKit 0.11")
	}
	for _, key := range slices.Sorted(maps.Keys(opts)) {
		for _, f := range families {
			if name, ok := strings.CutPrefix(key, f.prefix); ok {
				f.set(o, name, opts[key])
			}
		}
	}
	for _, key := range order(opts) {
		if err := table[key](o, opts[key]); err != nil {
			return nil, err
		}
	}
	if err := o.setMultiPlatform(opts); err != nil {
		return nil, err
	}
	if err := o.setAttestations(opts); err != nil {
		return nil, err
	}
	contextKey, ok := opts["contextkey"]
	if !ok {
		contextKey = "context"
	}
	o.Context = opts[contextKey]
	return o, nil
}

// order returns the given keys of the table: build arguments last, as they
// override what other keys set.
func order(opts map[string]string) []string {
	var keys []string
	for _, args := range []bool{false, true} {
		for _, k := range slices.Sorted(maps.Keys(opts)) {
			if _, known := table[k]; known && strings.HasPrefix(k, "build-arg:") == args {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

func setPlatforms(o *Options, v string) error {
	if v == "" {
		return nil
	}
	for s := range strings.SplitSeq(v, ",") {
		p, err := platforms.Parse(s)
		if err != nil {
			return fmt.Errorf("failed to parse target platform %s: %w", s, err)
		}
		o.Platforms = append(o.Platforms, platforms.Normalize(p))
	}
	return nil
}

// setMultiPlatform decides whether the result is an index.
func (o *Options) setMultiPlatform(opts map[string]string) error {
	several := len(o.Platforms) > 1
	o.Plan.MultiPlatform = several
	v := opts["build-arg:BUILDKIT_MULTI_PLATFORM"]
	if v == "" {
		v = opts["multi-platform"]
	}
	if v == "" {
		return nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return fmt.Errorf("invalid boolean value for multi-platform: %s", v)
	}
	if several && !b {
		return errors.New("conflicting config: returning multiple target platforms is not allowed")
	}
	o.Plan.MultiPlatform = b
	return nil
}

func setNoCache(o *Options, v string) error {
	if v == "" {
		o.Plan.NoCache.All = true
		return nil
	}
	o.Plan.NoCache.Stages = strings.Split(v, ",")
	return nil
}

func setResolveMode(o *Options, v string) error {
	switch v {
	case "", "default", "pull", "local":
		o.Plan.ResolveMode = v
		return nil
	}
	return fmt.Errorf("invalid image-resolve-mode: %s", v)
}

func setNetwork(o *Options, v string) error {
	switch v {
	case "", "none", "host", "sandbox":
		o.Plan.Network = v
		return nil
	}
	return fmt.Errorf("invalid netmode %s", v)
}

func setHostnameArg(o *Options, v string) error {
	if v != "" {
		o.Plan.Hostname = v
	}
	return nil
}

func setGitAdvice(o *Options, v string) (err error) {
	if v == "" {
		return nil
	}
	if o.Plan.GitAdvice, err = strconv.ParseBool(v); err != nil {
		return fmt.Errorf("failed to parse build-arg:BUILDKIT_GIT_ADVICE: %w", err)
	}
	return nil
}

// setKeepGitDir takes no notice of what is no boolean.
//
// Upstream: unlike all other options.
func setKeepGitDir(o *Options, v string) error {
	o.KeepGitDir, _ = strconv.ParseBool(v)
	return nil
}
