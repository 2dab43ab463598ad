package builder

import (
	"cmp"
	"context"
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
	"github.com/moby/buildkit/util/sshutil"

	"slipway/answers"
	"slipway/builder/remote"
	"slipway/builder/state"
	"slipway/diag"
	"slipway/frontend"
	"slipway/solver"
	local "slipway/solver/gateway"
	"slipway/solver/runner/chroot"
)

// Options configures a build. Most fields are named after the flags of docker build.
type Options struct {
	Context string    // directory, URL of a git repository or an archive, or "-" for Stdin
	File    string    // path of the Dockerfile; "" means the Dockerfile in the context, "-" means Stdin
	Stdin   io.Reader // archive of the context, or Dockerfile; read only if Context or File is "-"
	Target  string

	Tags      []string
	Platforms []string // empty means the platform of this machine
	BuildArgs map[string]string
	Labels    map[string]string
	Contexts  map[string]string // values of named contexts, by name
	Outputs   []Output          // if empty, the image is stored under Tags; without tags, only the cache gets the result

	// Call is the name of a subrequest for information about the Dockerfile, such as
	// frontend.lint. If it is "", the Dockerfile is built.
	Call string
	// Describe adds the digests of the image to Result.Exported even if no output is an
	// image.
	Describe bool

	CacheTo, CacheFrom []client.CacheOptionsEntry
	Attests            map[string]string // parameters of attestations, by type: sbom, provenance
	ProvenanceEnvDir   string            // directory with properties of this machine, which become part of provenance; "" means the default
	Annotations        map[string]string // image annotations, by attribute of BuildKit's exporters: annotation-manifest.KEY

	NoCache       bool
	NoCacheFilter []string
	Pull          bool
	Network       string
	AddHosts      []string
	Hostname      string
	ShmSize       int64 // size of /dev/shm in bytes; 0 means the default
	Ulimits       []string
	CgroupParent  string
	Allow         []string          // privileges: network.host, security.insecure, device, device=NAME
	DeviceDirs    []string          // directories with descriptions of CDI devices; nil means the default
	Resources     map[string]string // resource limits of steps, by frontend option: memory, cpuquota, …

	Secrets map[string][]byte
	Agents  map[string]string // sockets of SSH agents, by ID

	Mirrors map[string]string // mirrors of registries, by the registry's host

	// Stall is the time limit for silent servers. The build fails if a server neither accepts nor
	// sends data for this time while the build fetches a source, pushes, or transfers a cache.
	// Zero means 2 minutes.
	Stall time.Duration

	Builder *remote.Builder // daemon that builds; nil means this process

	// Shared is shared by all builds in this process that use State. Concurrent builds with
	// the same operation then run it once. It may be nil.
	Shared *solver.Shared

	// Producers is shared by builds that may use each other's results as frontend inputs, so that
	// their provenance names the requests that made the inputs. It may be nil.
	Producers *local.Producers

	State  string // state directory, with the cache and stored images
	Runner string // auto, namespace, oci, chroot or portable
	// Unisolated lists the kinds of isolation that steps may request and not get, see
	// [chroot.Isolation].
	Unisolated []string
	GC         state.GC // garbage collection of State after the build
	Jobs       int      // maximum number of concurrent operations; 0 means no limit, as in BuildKit
	Now        func() time.Time
	// Output limits how much output of each step the build reports. If it is nil, the limits are
	// the same as in BuildKit.
	Output *OutputLimit
	Log    io.Writer // receives messages that belong to no step; may be nil
	// Frontend replaces the built-in Dockerfile frontend, unless it is nil.
	Frontend gateway.BuildFunc
	// FrontendImage is the name of a frontend image that replaces the built-in Dockerfile
	// frontend, unless it is "".
	FrontendImage string
	// SyntaxImage makes the frontend image that # syntax or BUILDKIT_SYNTAX names run the build,
	// even if the built-in frontend could replace the image.
	SyntaxImage bool
	// Explain receives a line about each step that was not cached, or the cache keys of all
	// vertices if ExplainKeys is set. It may be nil.
	Explain     io.Writer
	ExplainKeys bool
	// ShowPath returns how errors show the path of a Dockerfile or an ignore file. If it is nil, they
	// show the path itself.
	ShowPath func(string) string
	// Planned receives the description of the build before the build starts. It may be nil. Only
	// the built-in frontend calls it.
	Planned func(*answers.Plan)
	// Measure sets Result.Measured. Builds by a daemon ignore it.
	Measure bool
	// Status receives the progress in BuildKit's format. Calls do not overlap. It may be
	// nil.
	Status func(*client.SolveStatus)
}

// OutputLimit limits how many bytes of each step's output the build reports, in total and per
// second.
type OutputLimit = solver.OutputLimit

func (o *Options) stall() time.Duration { return cmp.Or(o.Stall, defaultStall) }

// Check returns an error if options are invalid, unsupported, or contradict each other.
// [Build] calls it before it does anything else.
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
	return o.checkLocal()
}

// checkLocal returns an error if options are invalid for a build in this process, for
// example if they require a BuildKit daemon.
func (o *Options) checkLocal() error {
	switch o.Runner {
	case "", "auto", "namespace", "oci", "chroot", "portable":
	default:
		return fmt.Errorf("unknown runner %q (use auto, namespace, oci, chroot or portable)", o.Runner)
	}
	if _, err := chroot.ParseIsolations(o.Unisolated); err != nil {
		return fmt.Errorf("--unisolated: %w", err)
	}
	for _, out := range o.Outputs {
		if err := out.checkLocal(); err != nil {
			return err
		}
	}
	if o.Jobs < 0 {
		return fmt.Errorf("jobs: %d is negative (0 sets no limit)", o.Jobs)
	}
	if _, err := attestRequests(o.frontend()); err != nil {
		return err
	}
	if err := o.checkLimits(); err != nil {
		return err
	}
	_, _, err := o.caches()
	return err
}

// frontend returns the frontend options for the build. It uses the same keys as docker build,
// such as filename and target.
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
		opts["cmdline"] = "slipway" // makes the frontend ignore # syntax
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

// buildFunc returns the frontend's build function. If the built-in frontend runs a check, it
// passes the findings to the callback found. If the built-in frontend replaces the image that
// # syntax or BUILDKIT_SYNTAX selects, it passes the name of the image to the callback replaces.
func (o *Options) buildFunc(found func(diag.List), replaces func(ref string)) gateway.BuildFunc {
	if o.Frontend != nil {
		return o.Frontend
	}
	if o.FrontendImage != "" {
		return forwardTo(o.FrontendImage)
	}
	f := frontend.Builder{Found: found, Predict: predict, Planned: o.Planned, HostKeys: sshutil.SSHKeyScan}
	f.Follow = func(ref string) (bool, error) {
		follow := o.forwardsTo(ref)
		if !follow {
			replaces(ref)
		}
		return follow, nil
	}
	return f.Build
}

// maxJobs returns the maximum number of operations that the solver runs concurrently. If o.Jobs
// is 0, it returns the largest int, so that the number is not limited.
func (o *Options) maxJobs() int {
	if o.Jobs == 0 {
		return math.MaxInt
	}
	return o.Jobs
}

// forwardsTo reports whether the frontend image ref, which # syntax or BUILDKIT_SYNTAX selects,
// must run the build. It returns false for Docker's frontend image and the image of this
// project, in any registry and version, because the built-in frontend replaces them. If
// o.SyntaxImage is true, it always returns true.
func (o *Options) forwardsTo(ref string) bool {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil || o.SyntaxImage {
		return true // the client reports an invalid name
	}
	for _, name := range []string{"docker/dockerfile", "docker/dockerfile-upstream", "slipway/dockerfile"} {
		if path := reference.Path(named); path == name || strings.HasSuffix(path, "/"+name) {
			return false
		}
	}
	return true
}

// forwardTo returns a function that asks the builder to run the frontend in an image, with
// all options of the build.
func forwardTo(image string) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		opts := maps.Clone(c.BuildOpts().Opts)
		opts["source"] = image
		return c.Solve(ctx, gateway.SolveRequest{Frontend: "gateway.v0", FrontendOpt: opts})
	}
}

// file returns the path of the Dockerfile. If o.File is "" and the context has no
// Dockerfile, file returns the path of the Containerfile.
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

// allows reports whether the user allowed a privilege, such as network.host.
func (o *Options) allows(name string) bool { return slices.Contains(o.Allow, name) }

// contextNames returns the sorted names of the named contexts.
func (o *Options) contextNames() []string { return slices.Sorted(maps.Keys(o.Contexts)) }

func (o *Options) log() io.Writer {
	if o.Log == nil {
		return io.Discard
	}
	return o.Log
}
