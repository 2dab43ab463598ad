package remote

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/moby/buildkit/session/upload/uploadprovider"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"slipway/builder/engine"
	"slipway/solver/export"
)

// Output configures one output of a build.
type Output struct {
	Type  string            // type of BuildKit's exporter
	Attrs map[string]string // attributes of BuildKit's exporter
	Load  bool              // loads the output into the container engine as a docker archive
	Dest  string            // path of a file or directory; "-" means standard output, "" means that the daemon sends no output
	IsDir bool
}

// Request configures a build by a daemon.
type Request struct {
	Frontend        gateway.BuildFunc
	FrontendOptions map[string]string

	Context   string            // path or URL of the context; BuildKit reuses files sent for the same context
	Dirs      map[string]string // directories of local sources, by name
	EmptyDirs []string          // names of local sources without files, unless KeepDockerfile stored them
	Layouts   map[string]string // OCI layouts, by store ID

	Outputs            []Output
	CacheTo, CacheFrom []client.CacheOptionsEntry

	Allow   []string // privileges, such as network.host
	Secrets map[string][]byte
	Agents  map[string]string // sockets of SSH agents, by ID

	// Status receives the progress. It may be nil.
	Status func(*client.SolveStatus)
	Log    io.Writer // receives messages that belong to no step
}

// Response holds the results of a build that are not outputs, such as the digests of images.
type Response struct {
	Exported map[string]string // responses from the exporters
	Metadata map[string][]byte // metadata of the frontend's result
}

// Build is a connection to a daemon for one build.
type Build struct {
	client  *client.Client
	uploads *uploadprovider.Uploader
	mounts  map[string]fsutil.FS // local sources, by name
	outputs export.Outputs
	pending []*pendingOutput
	load    *engine.Load // nil if no output is loaded into the engine

	run    gateway.BuildFunc
	answer map[string][]byte // metadata of the frontend's result
	failed error             // error from the frontend
}

// Connect connects to a BuildKit daemon for one build. The daemon sends the output files to
// this process. The parameter outputs is the writer that creates these files at their
// destinations. The caller must call Close.
func Connect(ctx context.Context, to *Builder, outputs export.Outputs) (*Build, error) {
	c, err := to.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &Build{client: c, uploads: uploadprovider.New(), mounts: map[string]fsutil.FS{}, outputs: outputs}, nil
}

// Close closes the connection and removes incomplete outputs.
func (b *Build) Close() error {
	err := b.client.Close()
	b.discard()
	return err
}

// Run sends the build to the daemon, waits until the build has ended, and writes the outputs.
// The caller must call Run only once.
func (b *Build) Run(ctx context.Context, r *Request) (*Response, error) {
	b.run = r.Frontend
	opt, err := b.options(ctx, r)
	if err != nil {
		return nil, err
	}
	status := make(chan *client.SolveStatus)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range status {
			if r.Status != nil {
				r.Status(s)
			}
		}
	}()
	res, err := b.client.Build(ctx, *opt, "slipway", b.frontend, status)
	<-done
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case b.failed != nil:
		return nil, b.failed // has columns, while the error from the daemon has lines only
	case err != nil && b.load != nil && b.load.Broken():
		return nil, fmt.Errorf("output docker: %w", cmp.Or(b.finishLoad(r.Log), err)) // the daemon knows only that a pipe broke
	case err != nil:
		return nil, err
	}
	return &Response{Exported: res.ExporterResponse, Metadata: b.answer}, b.moveOutputs(r.Log)
}

// frontend runs the frontend in this process when the daemon requests it.
func (b *Build) frontend(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	res, err := b.run(ctx, c)
	if err != nil {
		b.failed = err
		return nil, err
	}
	b.answer = res.Metadata
	return res, nil
}

// options converts r, the request for a build, to options for BuildKit's client. The
// options include the files and services that the daemon may request from this process.
func (b *Build) options(ctx context.Context, r *Request) (*client.SolveOpt, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	opt := &client.SolveOpt{
		LocalMounts: b.mounts, OCIStores: map[string]content.Store{}, FrontendAttrs: r.FrontendOptions,
		SharedKey: sharedKey(host, r.Context), AllowedEntitlements: slices.Clone(r.Allow),
		CacheExports: cacheEntries(r.CacheTo), CacheImports: cacheEntries(r.CacheFrom),
	}
	for _, name := range r.EmptyDirs {
		if _, ok := b.mounts[name]; !ok {
			b.mounts[name] = staticfs.NewFS()
		}
	}
	for name, dir := range r.Dirs {
		if b.mounts[name], err = fsutil.NewFS(dir); err != nil {
			return nil, err
		}
	}
	for id, dir := range r.Layouts {
		if opt.OCIStores[id], err = contentlocal.NewStore(dir); err != nil {
			return nil, err
		}
	}
	if opt.Session, err = r.attachables(); err != nil {
		return nil, err
	}
	opt.Session = append(opt.Session, b.uploads)
	for _, out := range r.Outputs {
		e, err := b.export(ctx, out)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", out.Type, err)
		}
		opt.Exports = append(opt.Exports, e)
	}
	return opt, nil
}

// attachables returns the services that the daemon uses through the session: credentials for
// registries, secrets and SSH agents.
func (r *Request) attachables() ([]session.Attachable, error) {
	file := config.LoadDefaultConfigFile(r.Log)
	list := []session.Attachable{
		authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: authprovider.LoadAuthConfig(file)}),
		secretsprovider.FromMap(r.Secrets),
	}
	var agents []sshprovider.AgentConfig
	for _, id := range slices.Sorted(maps.Keys(r.Agents)) {
		agents = append(agents, sshprovider.AgentConfig{ID: id, Paths: []string{r.Agents[id]}})
	}
	if len(agents) == 0 {
		return list, nil
	}
	provider, err := sshprovider.NewSSHAgentProvider(agents)
	if err != nil {
		return nil, fmt.Errorf("SSH agent: %w", err)
	}
	return append(list, provider), nil
}

// cacheEntries returns a deep copy of cache options. A copy is needed because BuildKit's client
// changes its options: it writes digests into the attributes.
func cacheEntries(list []client.CacheOptionsEntry) []client.CacheOptionsEntry {
	var entries []client.CacheOptionsEntry
	for _, e := range list {
		e.Attrs = maps.Clone(e.Attrs)
		entries = append(entries, e)
	}
	return entries
}

// KeepContext prepares an archive for upload and returns its URL. BuildKit reads the archive
// when the build needs the context.
func (b *Build) KeepContext(in io.Reader) (string, error) {
	return b.uploads.Add(io.NopCloser(in)), nil
}

// KeepDockerfile stores a Dockerfile as the only file of the local source "dockerfile".
// The daemon reads it from this source.
func (b *Build) KeepDockerfile(data []byte) error {
	fs := staticfs.NewFS()
	fs.Add("Dockerfile", &fstypes.Stat{Mode: 0o644}, data)
	b.mounts["dockerfile"] = fs
	return nil
}

// export returns the exporter entry that BuildKit's client needs for an output. It
// prepares the output's file, directory or container engine.
func (b *Build) export(ctx context.Context, out Output) (client.ExportEntry, error) {
	e := client.ExportEntry{Type: out.Type, Attrs: out.Attrs}
	if out.Load {
		l, err := engine.StartLoad(ctx)
		if err != nil {
			return e, err
		}
		b.load = l
		e.Output = func(map[string]string) (io.WriteCloser, error) { return l.Input(), nil }
		return e, nil
	}
	if out.Dest == "" {
		return e, nil
	}
	p, err := newPendingOutput(out, b.outputs)
	if p != nil {
		b.pending = append(b.pending, p)
	}
	if err != nil {
		return e, err
	}
	if p.isDir {
		e.OutputDir = p.temp
	} else {
		e.Output = func(map[string]string) (io.WriteCloser, error) { return p.open(ctx) }
	}
	return e, nil
}
