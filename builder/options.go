package builder

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/builder/remote"
	"slipway/builder/state"
	"slipway/diag"
	"slipway/frontend"
	"slipway/solver"
)

// Options configures a build. Fields have the names of the flags of docker build.
type Options struct {
	Context string    // directory, URL of a repository or an archive, or - for Stdin
	File    string    // Dockerfile; "" is the one of the context, - is Stdin
	Stdin   io.Reader // context as an archive, or Dockerfile; read only if named
	Target  string

	Tags      []string
	Platforms []string // none is that of this machine
	BuildArgs map[string]string
	Labels    map[string]string
	Contexts  map[string]string // named contexts
	Outputs   []Output          // none stores the result under Tags, or keeps it in the cache only

	// Call is a subrequest about the Dockerfile, such as frontend.lint; "" builds.
	Call string
	// Describe computes the digests of the image even if no output is an image.
	Describe bool

	CacheTo, CacheFrom []client.CacheOptionsEntry
	Attests            map[string]string // attestations by type, as the frontend gets them; Builder only
	Annotations        map[string]string // of the image, by the attributes of BuildKit's exporters: annotation-manifest.KEY

	NoCache       bool
	NoCacheFilter []string
	Pull          bool
	Network       string
	AddHosts      []string
	Hostname      string
	ShmSize       int64 // bytes
	Ulimits       []string
	CgroupParent  string
	Allow         []string          // network.host, security.insecure
	Resources     map[string]string // limits of steps by the options of frontends: memory, cpuquota, …

	Secrets map[string][]byte
	Agents  map[string]string // sockets of SSH agents by id

	Mirrors map[string]string // of registries: host → host that is asked instead

	// Stall is how long a server of sources, pushes and caches may take and send
	// nothing. Zero is 2 minutes.
	Stall time.Duration

	Builder *remote.Builder // builds in place of this process; nil is here

	State  string   // directory of cache and results
	Runner string   // auto, namespace, oci or portable
	GC     state.GC // what is removed from State afterwards
	Jobs   int      // limit of operations that run concurrently; 0 is no limit, as with BuildKit
	Now    func() time.Time
	// Output limits what of the output of steps is reported; nil is as BuildKit.
	Output *OutputLimit
	Log    io.Writer // what is not about a step
	// Frontend replaces the frontend for Dockerfiles that is part of this program, unless
	// it is nil.
	Frontend gateway.BuildFunc
	// Explain receives a line about each step that was not cached, or the cache keys of all
	// vertices if ExplainKeys is set. It may be nil.
	Explain     io.Writer
	ExplainKeys bool
	// Status receives the progress in BuildKit's format. Calls do not overlap. It may be
	// nil.
	Status func(*client.SolveStatus)
}

// OutputLimit limits how much of the output of a step is reported.
type OutputLimit = solver.OutputLimit

func (o *Options) stall() time.Duration { return cmp.Or(o.Stall, defaultStall) }

// Check returns an error if options contradict each other or are not supported. [Build]
// calls it first.
func (o *Options) Check() error {
	if err := o.checkStdin(); err != nil {
		return err
	}
	if err := o.checkOutputs(); err != nil {
		return err
	}
	if err := o.checkAllow(); err != nil {
		return err
	}
	if o.Builder != nil {
		return o.checkBuilder()
	}
	return o.checkHere()
}

// checkHere returns an error for an option that requires a BuildKit.
func (o *Options) checkHere() error {
	switch o.Runner {
	case "", "auto", "namespace", "oci", "portable":
	default:
		return fmt.Errorf("unknown runner %q, there are auto, namespace, oci and portable", o.Runner)
	}
	for _, out := range o.Outputs {
		if err := out.checkHere(); err != nil {
			return err
		}
	}
	switch {
	case o.Jobs < 0:
		return fmt.Errorf("jobs: %d is negative (0 sets no limit)", o.Jobs)
	case len(o.Attests) > 0:
		return errors.New("attestations can only be had of a BuildKit: --builder")
	}
	if err := o.checkLimits(); err != nil {
		return err
	}
	_, _, err := o.caches()
	return err
}

// frontend returns the options for the frontend.
func (o *Options) frontend() map[string]string {
	opts := map[string]string{
		"filename": filepath.Base(o.file()),
	}
	set := func(key, value string) {
		if value != "" {
			opts[key] = value
		}
	}
	if o.Frontend != nil {
		opts["cmdline"] = "slipway" // it was chosen, whatever # syntax says
	}
	set("target", o.Target)
	set("platform", strings.Join(o.Platforms, ","))
	if o.Network != "default" {
		set("force-network-mode", o.Network)
	}
	set("requestid", o.Call)
	set("hostname", o.Hostname)
	set("cgroup-parent", o.CgroupParent)
	set("add-hosts", strings.Join(o.AddHosts, ","))
	set("ulimit", strings.Join(o.Ulimits, ","))
	set("no-cache", strings.Join(o.NoCacheFilter, ","))
	if o.NoCache {
		opts["no-cache"] = ""
	}
	if o.ShmSize > 0 {
		opts["shm-size"] = fmt.Sprint(o.ShmSize)
	}
	if o.Pull {
		opts["image-resolve-mode"] = "pull"
	}
	for k, v := range o.Resources {
		set(k, v)
	}
	for prefix, values := range map[string]map[string]string{"build-arg:": o.BuildArgs, "label:": o.Labels, "attest:": o.Attests} {
		for k, v := range values {
			opts[prefix+k] = v
		}
	}
	return opts
}

// buildFunc returns the frontend. found receives the findings of a check.
func (o *Options) buildFunc(found func(diag.List)) gateway.BuildFunc {
	if o.Frontend != nil {
		return o.Frontend
	}
	return frontend.Checking(o.follow, found)
}

// parallel returns the limit of operations that run concurrently.
func (o *Options) parallel() int {
	if o.Jobs == 0 {
		return math.MaxInt
	}
	return o.Jobs
}

// follow reports whether the build is handed to the frontend ref, which # syntax
// or BUILDKIT_SYNTAX names. Docker's frontend and this one are part of this
// program, in whatever registry and version; others need a BuildKit to run.
func (o *Options) follow(ref string) (bool, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err == nil {
		for _, name := range []string{"docker/dockerfile", "docker/dockerfile-upstream", "slipway/dockerfile"} {
			if path := reference.Path(named); path == name || strings.HasSuffix(path, "/"+name) {
				return false, nil
			}
		}
	}
	if o.Builder == nil {
		return false, fmt.Errorf("frontend %q: needs a BuildKit to run (use --builder)", ref)
	}
	return true, nil
}

// file returns the path of the Dockerfile. A context without one may have a
// Containerfile.
func (o *Options) file() string {
	if o.File != "" {
		return o.File
	}
	at := func(name string) string { return filepath.Join(o.Context, name) }
	if isFile(at(containerfile)) && !exists(at(dockerfile)) && !exists(at(strings.ToLower(dockerfile))) {
		return at(containerfile)
	}
	return at(dockerfile)
}

// allows reports whether a privilege is allowed.
func (o *Options) allows(name string) bool { return slices.Contains(o.Allow, name) }

// contextNames returns the names of the named contexts, in order.
func (o *Options) contextNames() []string { return slices.Sorted(maps.Keys(o.Contexts)) }

func (o *Options) log() io.Writer {
	if o.Log == nil {
		return io.Discard
	}
	return o.Log
}
