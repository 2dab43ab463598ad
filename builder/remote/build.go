package builder

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

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

	"slipway/builder/state"
	"slipway/solver/export"
)

// remoteBuild is a build by a BuildKit. The frontend runs in this process.
type remoteBuild struct {
	opt     client.SolveOpt
	uploads *uploadprovider.Uploader
	outputs export.Outputs
	pending []*pendingOutput
	load    *loader // nil if nothing is loaded

	run    gateway.BuildFunc
	answer map[string][]byte // metadata of what the frontend returned
	failed error             // of the frontend
}

// buildOn builds with o.Builder.
func buildOn(ctx context.Context, o *Options, p *places) (*Result, error) {
	r := &remoteBuild{uploads: uploadprovider.New(), run: p.record(o.buildFunc(p.keep(o)))}
	var release func()
	var err error
	if r.outputs, release, err = state.HoldOutputs(ctx, o.State); err != nil {
		return nil, err
	}
	defer release()
	defer r.discard()
	c, err := o.Builder.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := r.prepare(ctx, o, p); err != nil {
		return nil, err
	}
	status := make(chan *client.SolveStatus)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range status {
			if o.Status != nil {
				o.Status(s)
			}
		}
	}()
	res, err := c.Build(ctx, r.opt, "slipway", r.frontend, status)
	<-done
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case r.failed != nil:
		return nil, r.failed // it knows columns; what came back from the builder only lines
	case err != nil:
		return nil, err
	case o.Call != "":
		return p.answered(r.answer)
	}
	return &Result{Exported: res.ExporterResponse}, r.keep(o.log())
}

// frontend runs the frontend when the builder asks for it.
func (r *remoteBuild) frontend(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	res, err := r.run(ctx, c)
	if err != nil {
		r.failed = err
		return nil, err
	}
	r.answer = res.Metadata
	return res, nil
}

// prepare collects the files and services that the builder may ask for.
func (r *remoteBuild) prepare(ctx context.Context, o *Options, p *places) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	r.opt = client.SolveOpt{
		LocalMounts: map[string]fsutil.FS{}, OCIStores: map[string]content.Store{},
		SharedKey: o.sharedKey(host), AllowedEntitlements: slices.Clone(o.Allow),
		CacheExports: cacheEntries(o.CacheTo), CacheImports: cacheEntries(o.CacheFrom),
	}
	if err := p.readStdin(ctx, o, r); err != nil {
		return err
	}
	if err := p.findLayouts(ctx); err != nil {
		return err
	}
	r.opt.FrontendAttrs = p.opts
	for name := range p.trees {
		if _, ok := r.opt.LocalMounts[name]; !ok {
			r.opt.LocalMounts[name] = staticfs.NewFS() // an empty context
		}
	}
	for name, dir := range p.dirs {
		if r.opt.LocalMounts[name], err = fsutil.NewFS(dir); err != nil {
			return err
		}
	}
	for id, dir := range p.layouts {
		if r.opt.OCIStores[id], err = contentlocal.NewStore(dir); err != nil {
			return err
		}
	}
	if r.opt.Session, err = o.attachables(); err != nil {
		return err
	}
	r.opt.Session = append(r.opt.Session, r.uploads)
	return r.exports(ctx, o)
}

// attachables returns the services that a builder uses: credentials of registries,
// secrets and SSH agents.
func (o *Options) attachables() ([]session.Attachable, error) {
	file := config.LoadDefaultConfigFile(o.log())
	list := []session.Attachable{
		authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{AuthConfigProvider: authprovider.LoadAuthConfig(file)}),
		secretsprovider.FromMap(o.Secrets),
	}
	var agents []sshprovider.AgentConfig
	for _, id := range slices.Sorted(maps.Keys(o.Agents)) {
		agents = append(agents, sshprovider.AgentConfig{ID: id, Paths: []string{o.Agents[id]}})
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

func (o *Options) log() io.Writer {
	if o.Log == nil {
		return io.Discard
	}
	return o.Log
}

// cacheEntries returns copies of entries, because the client writes digests into them.
func cacheEntries(list []client.CacheOptionsEntry) []client.CacheOptionsEntry {
	var entries []client.CacheOptionsEntry
	for _, e := range list {
		e.Attrs = maps.Clone(e.Attrs)
		entries = append(entries, e)
	}
	return entries
}

// keepContext implements keeper. The builder reads the archive when it needs it.
func (r *remoteBuild) keepContext(in io.Reader) (string, error) {
	return r.uploads.Add(io.NopCloser(in)), nil
}

func (r *remoteBuild) keepDockerfile(data []byte) error {
	fs := staticfs.NewFS()
	fs.Add(dockerfile, &fstypes.Stat{Mode: 0o644}, data)
	r.opt.LocalMounts["dockerfile"] = fs
	return nil
}

// exports configures the exporters for the outputs.
func (r *remoteBuild) exports(ctx context.Context, o *Options) error {
	if o.Call != "" {
		return nil
	}
	for _, out := range o.Outputs {
		if out.Type == "cacheonly" {
			continue
		}
		e, err := r.export(ctx, o, out)
		if err != nil {
			return fmt.Errorf("output %s: %w", out.Type, err)
		}
		r.opt.Exports = append(r.opt.Exports, e)
	}
	return nil
}

func (r *remoteBuild) export(ctx context.Context, o *Options, out Output) (client.ExportEntry, error) {
	e := client.ExportEntry{Type: out.Type, Attrs: maps.Clone(out.Attrs)}
	if e.Attrs == nil {
		e.Attrs = map[string]string{}
	}
	if out.isImage() {
		names, err := imageNames(o, out)
		if err != nil {
			return e, err
		}
		if len(names) > 0 {
			e.Attrs["name"] = strings.Join(names, ",")
		}
		maps.Copy(e.Attrs, o.Annotations)
	}
	if out.Push {
		e.Attrs["push"] = "true"
	}
	if out.Load {
		l, err := startLoad(ctx)
		if err != nil {
			return e, err
		}
		r.load = l
		e.Output = func(map[string]string) (io.WriteCloser, error) { return l.in, nil }
		return e, nil
	}
	if out.Dest == "" {
		return e, nil
	}
	s, err := newPendingOutput(out, r.outputs)
	if s != nil {
		r.pending = append(r.pending, s)
	}
	if err != nil {
		return e, err
	}
	if s.isDir {
		e.OutputDir = s.temp
	} else {
		e.Output = func(map[string]string) (io.WriteCloser, error) { return s.open(ctx) }
	}
	return e, nil
}
