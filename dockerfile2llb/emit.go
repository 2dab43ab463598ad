package dockerfile2llb

import (
	"cmp"
	"context"
	"errors"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"

	"slipway/diag"
	"slipway/plan"
	"slipway/source"
)

// emitter lowers one plan to LLB. Not safe for concurrent use.
type emitter struct {
	ctx          context.Context
	plan         *plan.Plan
	opt          Options
	results      map[*plan.Stage]llb.Output // the outputs of emitted stages; a nil output is an empty tree
	mainContext  llb.Output                 // nil until first use
	proxy        *pb.ProxyEnv               // the proxies of RUN steps; nil if no build argument sets a proxy
	capabilities map[apicaps.CapID]bool     // cached results of supports
}

// Emit lowers a plan to LLB. It ignores opt.Plan.
func Emit(ctx context.Context, p *plan.Plan, opt Options) (*Conversion, error) {
	e := &emitter{
		ctx: ctx, plan: p, opt: opt,
		results:      make(map[*plan.Stage]llb.Output, len(p.Stages)),
		proxy:        proxyEnv(p.Options.BuildArgs),
		capabilities: map[apicaps.CapID]bool{},
	}
	for _, explicit := range []bool{false, true} {
		for _, st := range p.Stages {
			if !st.Reachable || explicit != isExplicit(st) {
				continue
			}
			if err := e.stage(st); err != nil {
				return nil, err
			}
		}
	}
	sbom, err := e.sbom()
	if err != nil {
		return nil, err
	}
	defaults := e.defaults()
	return &Conversion{
		State:     sbom.Core.SetMarshalDefaults(defaults...),
		Image:     &p.Target.Image,
		BaseImage: p.Target.BaseImage,
		Plan:      p,
		SBOM:      sbom,
		defaults:  defaults,
	}, nil
}

// sbom returns the states that an SBOM generator scans.
func (e *emitter) sbom() (SBOM, error) {
	target := e.plan.Target
	s := SBOM{
		Core:    llb.NewState(e.results[target]),
		Extras:  map[string]llb.State{},
		NoCache: target.NoCache,
	}
	if target.Scan.Context {
		out, err := e.tree(plan.Tree{})
		if err != nil {
			return s, withRange(target.Location, err)
		}
		s.Extras["context"] = llb.NewState(out)
	}
	for _, st := range e.plan.Stages {
		if st != target && st.Reachable && st.Scan.Stage {
			s.Extras[cmp.Or(st.PlainName, st.Name)] = llb.NewState(e.results[st])
			s.NoCache = s.NoCache || st.NoCache
		}
	}
	return s, nil
}

// isExplicit reports whether st is a stage of the file. Implicit stages (images and
// contexts) are emitted first, because any stage may use them.
func isExplicit(st *plan.Stage) bool { return st.Syntax != nil && st.Replaced == nil }

// defaults returns the constraints that all operations share: the platform, and the
// capabilities of the daemon if they are known.
func (e *emitter) defaults() []llb.ConstraintsOpt {
	opts := []llb.ConstraintsOpt{llb.Platform(e.plan.Platform)}
	if e.opt.Caps != nil {
		opts = append(opts, llb.WithCaps(*e.opt.Caps))
	}
	return opts
}

// stage emits the operations of a stage: its base and its steps.
func (e *emitter) stage(st *plan.Stage) error {
	out, err := e.base(st)
	if err != nil {
		return withRange(st.Location, err)
	}
	if st.BaseStep != nil {
		e.emitted(st, nil, out)
	}
	v := &envCache{}
	for _, visit := range st.Visits {
		e.results[st] = out // an ONBUILD trigger may read its own stage
		switch s := visit.Step.(type) {
		case nil:
		case *plan.Exec:
			out, err = e.exec(v, out, s)
		case *plan.Copy:
			out, err = e.copy(out, s)
		case *plan.Mkdir:
			out = e.mkdir(out, s)
		}
		if err != nil {
			return withRange(visit.Range, err)
		}
		if visit.Step != nil {
			e.emitted(st, visit, out)
		}
	}
	e.results[st] = out
	return nil
}

// emitted passes the output of a step to Options.Emitted.
func (e *emitter) emitted(st *plan.Stage, v *plan.Visit, out llb.Output) {
	if e.opt.Emitted != nil && out != nil {
		e.opt.Emitted(st, v, out)
	}
}

// withRange returns err as a diagnostic with the range r of an instruction. If err already
// is a diagnostic, it is returned unchanged.
func withRange(r source.Range, err error) error {
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return err
	}
	return diag.Errorf(r, "%w", err)
}

// tree returns the output that contains the file tree t. This is the result of the stage
// t.Stage or, if t.Stage is nil, the main context.
func (e *emitter) tree(t plan.Tree) (llb.Output, error) {
	if t.Stage != nil {
		return e.results[t.Stage], nil
	}
	if e.mainContext == nil {
		st, err := e.opt.Inputs.State(e.ctx, nil, e.plan.Context)
		if err != nil {
			return nil, err
		}
		e.mainContext = st.Output()
	}
	return e.mainContext, nil
}

// envCache caches the KEY=VALUE entries of the last step's environment. Consecutive steps
// usually have the same environment, because only ENV and ARG change it.
type envCache struct {
	key     plan.Env
	entries []string
	set     bool
}

// env returns the environment e as KEY=VALUE entries. The caller must not modify the
// result, because later calls may return the same slice.
func (v *envCache) env(e plan.Env) []string {
	if !v.set || v.key != e {
		v.key, v.entries, v.set = e, e.Entries(), true
	}
	return v.entries
}
