package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/builder/remote"
	"slipway/builder/state"
)

// buildRemotely builds with the daemon o.Builder. The frontend still runs in this process.
func buildRemotely(ctx context.Context, o *Options, p *inputs) (*Result, error) {
	outputs, release, err := state.HoldOutputs(ctx, o.State)
	if err != nil {
		return nil, err
	}
	defer release()
	b, err := remote.Connect(ctx, o.Builder, outputs)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if err := p.readStdin(ctx, o, b); err != nil {
		return nil, err
	}
	if err := p.findLayouts(ctx); err != nil {
		return nil, err
	}
	request, err := o.request(p)
	if err != nil {
		return nil, err
	}
	res, err := b.Run(ctx, request)
	if err != nil {
		return nil, err
	}
	if o.Call != "" {
		return p.callResult(res.Metadata)
	}
	return &Result{Exported: res.Exported}, nil
}

// request converts the options and inputs to a request for package remote.
func (o *Options) request(p *inputs) (*remote.Request, error) {
	r := &remote.Request{
		Frontend: p.recordSolves(o.buildFunc(p.recordFindings(o), func(string) {})), FrontendOptions: p.opts,
		Context: o.Context, Dirs: p.dirs, EmptyDirs: slices.Sorted(maps.Keys(p.trees)), Layouts: p.layouts,
		Allow: o.Allow, CacheTo: o.CacheTo, CacheFrom: o.CacheFrom,
		Secrets: o.Secrets, Agents: o.Agents,
		Status: o.Status, Log: o.log(),
	}
	if o.Call != "" {
		return r, nil
	}
	for _, out := range o.Outputs {
		if out.Type == "cacheonly" {
			continue
		}
		attrs, err := o.exporterAttrs(out)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", out.Type, err)
		}
		r.Outputs = append(r.Outputs, remote.Output{Type: out.Type, Attrs: attrs, Load: out.Load, Dest: out.Dest, IsDir: out.isDir()})
	}
	return r, nil
}

// exporterAttrs returns the attributes for BuildKit's exporter that describe the output,
// such as its image names and annotations.
func (o *Options) exporterAttrs(out Output) (map[string]string, error) {
	attrs := map[string]string{}
	maps.Copy(attrs, out.Attrs)
	if out.isImage() {
		names, err := imageNames(o, out)
		if err != nil {
			return nil, err
		}
		if len(names) > 0 {
			attrs["name"] = strings.Join(names, ",")
		}
		maps.Copy(attrs, o.Annotations)
	}
	if out.Push {
		attrs["push"] = "true"
	}
	return attrs, nil
}

// checkBuilder returns an error for an invalid daemon address, and for options that would
// have no effect in a build by a daemon.
func (o *Options) checkBuilder() error {
	if err := o.Builder.Check(); err != nil {
		return err
	}
	switch {
	case o.Runner != "" && o.Runner != "auto":
		return fmt.Errorf("runner %s: the builder chooses how its steps run", o.Runner)
	case len(o.Mirrors) > 0:
		return errors.New("a mirror of a registry is for builds in this process; a builder has them in its buildkitd.toml")
	case o.Explain != nil:
		return errors.New("only a build in this process can explain why steps were not cached; --progress=plain shows which")
	}
	return nil
}
