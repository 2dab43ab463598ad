package builder

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/platforms"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	epoch "github.com/moby/buildkit/exporter/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/answers"
	"slipway/builder/explain"
	"slipway/diag"
	"slipway/frontend"
	"slipway/solver"
	"slipway/solver/export"
	local "slipway/solver/gateway"
	"slipway/solver/llbsource"
	"slipway/solver/tree"
)

// Result contains the results of a build that are not outputs, such as the digest of the image
// or the findings of a check.
type Result struct {
	// Exported describes the outputs, with the keys of BuildKit's exporters:
	// containerimage.digest, containerimage.config.digest, image.name.
	Exported map[string]string
	// Images contains the descriptors of exported images and indexes, by the index of the output.
	Images map[int]v1.Descriptor
	// Measured describes the layers of the image of each platform. It is nil unless Options.Measure is
	// set, and if the build has not read the files of its result.
	Measured []*answers.ReportImage
	// Answer is the result of the subrequest in Options.Call, with the keys of BuildKit's
	// subrequests: result.json, result.txt, version.
	Answer map[string][]byte
	// Found lists the findings of a check (frontend.lint): errors, warnings and notes. It is nil
	// if Options.Call is not a check, or if another frontend performed the check.
	Found diag.List
	// Metadata is the metadata of the frontend's result. It is nil unless a client in another
	// process requested the build.
	Metadata map[string][]byte
	// Provenance contains the predicate of SLSA provenance v1 of each result, by platform. The
	// key of a result that is not in a map is "". It is nil unless a client in another process
	// requested the build and [Request.Record] is set.
	Provenance map[string][]byte
}

// Run builds a Dockerfile like [Build], but returns only the error, for callers that need only
// the written outputs.
func Run(ctx context.Context, o Options) error {
	_, err := Build(ctx, o)
	return err
}

// Build builds a Dockerfile and writes the outputs, or runs the subrequest in Options.Call.
// All processes and goroutines of the build have ended when Build returns, even if ctx was
// canceled.
func Build(ctx context.Context, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Log != nil { // caches and outputs log concurrently
		o.Log = &logWriter{w: o.Log}
	}
	p, err := o.findInputs()
	if err != nil {
		return nil, err
	}
	if o.Builder != nil {
		res, err := buildRemotely(ctx, &o, p)
		return res, o.withPaths(p.hint(&o, err))
	}
	return buildHere(ctx, &o, p)
}

// buildHere performs the build in this process and then collects garbage in the state directory.
func buildHere(ctx context.Context, o *Options, p *inputs) (*Result, error) {
	o.Outputs = o.outputs()
	s, err := openLocal(o, p.credentials(ctx))
	if err != nil {
		return nil, err
	}
	defer s.registry.CloseIdleConnections()
	res, err := s.buildLocked(ctx, o, p)
	if o.Call == "" {
		if err := o.GC.Collect(ctx, o.State, o.Now); err != nil {
			o.warn("state directory: garbage collection: %v", err)
		}
	}
	return res, err
}

// buildLocked performs the build in this process. The caller holds the lock of the state
// directory. Before the build, buildLocked reads standard input and checks that the registries
// will accept the pushes.
func (s *localBuilder) buildLocked(ctx context.Context, o *Options, p *inputs) (*Result, error) {
	release, discarded, err := s.HoldForBuild(ctx)
	if discarded {
		o.warn("the state directory is of another version of slipway: its cached results were removed")
	}
	if err != nil {
		return nil, err
	}
	defer release()
	if err := p.findImages(ctx, &llbsource.Sources{Store: s.Store, Files: s.Files}); err != nil {
		return nil, err
	}
	if err := p.readStdin(ctx, o, stdinStore{s.Store, p}); err != nil {
		return nil, err
	}
	if o.Call == "" {
		if err := s.checkPushes(ctx, o); err != nil {
			return nil, err
		}
	}
	res, err := s.build(ctx, o, p)
	if p.request != nil {
		return res, err // the client has the files of the build
	}
	return res, o.withPaths(p.hint(o, err))
}

// build performs the build in this process. It repeats the build once in two cases. If a blob
// in the state directory is missing or damaged, it first repairs the directory. If RUN steps
// turn out not to work in namespaces, it chooses another runner for the second attempt.
func (s *localBuilder) build(ctx context.Context, o *Options, p *inputs) (*Result, error) {
	refused := false
	res, err := s.buildOnce(ctx, o, p, refused)
	if errors.Is(err, errRefused) && ctx.Err() == nil {
		refused = true
		res, err = s.buildOnce(ctx, o, p, refused)
	}
	var lost *tree.BlobError
	if !errors.As(err, &lost) || ctx.Err() != nil {
		return res, err
	}
	if o.Log != nil {
		fmt.Fprintf(o.Log, "the state directory is damaged (%v): building again what is lost\n", lost)
	}
	if err := s.Repair(ctx); err != nil {
		return nil, err
	}
	return s.buildOnce(ctx, o, p, refused)
}

// buildOnce performs the build in this process, and does not repeat it after an error. The
// parameter refused is true if an earlier attempt has shown that processes cannot run in
// namespaces.
func (s *localBuilder) buildOnce(ctx context.Context, o *Options, p *inputs, refused bool) (_ *Result, err error) {
	run := newRunner(s, o)
	run.refused = refused
	defer func() { err = errors.Join(err, run.Close()) }()
	if err := run.limit(ctx); err != nil {
		return nil, err
	}
	sources := s.sources(o, p)
	explained := s.explainer(o)
	progress := newProgress(o, explained)
	caches, err := s.openCaches(ctx, o, p, sources, progress)
	if err != nil {
		return nil, err
	}
	started := o.Now()
	job := s.jobOptions(o, caches.mounts(s, o, p), sources, run)
	usage := p.recordUsage(o, &job)
	defer usage.Stop()
	ctx, cancel := context.WithCancel(ctx)
	job.Events, job.Imports = progress.event, caches.imports
	b := solver.New(ctx, job)
	defer b.Wait() // runs before run.Close, because steps may still use the runner
	defer cancel()
	defer p.done()
	opt := p.gatewayOptions(o, progress, caches)
	opt.Build, opt.Store, opt.Sources, opt.Platforms = b, s.Store, sources, []ocispecs.Platform{llbsource.Machine()}
	c := local.New(opt)
	defer c.Close()
	if p.request != nil {
		defer func() { err = c.TypedError(err) }()
	}
	res, err := p.runFrontend(ctx, o, c, progress)
	if err != nil {
		return nil, err
	}
	if o.Call != "" {
		if err := s.Files.Save(); err != nil { // a prediction reads the context
			return nil, fmt.Errorf("state directory: %w", err)
		}
		return p.callResult(res.Metadata)
	}
	if o, err = p.withOutputs(ctx, o, res); err != nil {
		return nil, err
	}
	results, err := solve(ctx, res, o.Describe || len(o.Outputs) > 0)
	if p.request == nil {
		err = errors.Join(err, o.explain(explained, b, c.Graphs()))
	}
	if err != nil {
		return nil, err
	}
	if err := s.saveState(b, c.Graphs()); err != nil {
		return nil, err
	}
	if err := p.checkPlatforms(ctx, res, progress); err != nil {
		return nil, err
	}
	x := &attester{s.Store, sources, b, c, res, p.opts, o, started, usage}
	w := &resultWriter{s, p, caches, progress, b, x}
	out := p.result(res)
	return out, w.write(ctx, results, out)
}

// resultWriter writes the outputs and caches of a build.
type resultWriter struct {
	builder  *localBuilder
	in       *inputs
	caches   *caches
	progress *progress
	job      *solver.Job
	attester *attester
}

// write writes the results of all platforms with their attestations, and then the caches. In out, it records the digests and
// names of exported images and caches and, for a history of builds, the provenance.
func (w *resultWriter) write(ctx context.Context, results []export.PlatformResult, out *Result) (err error) {
	x := w.attester
	if err := x.attest(ctx, results); err != nil {
		return err
	}
	if err := w.caches.addInline(ctx, w.job, x.res, results); err != nil {
		return err
	}
	b := buildResult{results, len(x.res.Refs) > 0, x.res.Metadata}
	if err := w.builder.write(ctx, x.o, w.progress, b, out); err != nil {
		return err
	}
	if err := w.caches.export(ctx, w.job, roots(x.res), out.Exported); err != nil {
		return err
	}
	if w.in.request != nil && w.in.request.Record {
		out.Provenance, err = x.records(ctx, w.builder.exporter(x.o).Blobs())
	}
	return err
}

// jobOptions returns the options for the job that solves the requests of the frontend,
// without Events and Imports.
func (s *localBuilder) jobOptions(o *Options, mounts solver.Mounts, sources *llbsource.Sources, run *autoRunner) solver.Options {
	return solver.Options{
		Store: s.Store, Cache: s.Cache, Sources: sources, Runner: run,
		Mounts: mounts, Shared: o.Shared,
		Parallel: o.maxJobs(), Now: o.Now, Output: o.Output,
		Insecure: o.allows("security.insecure"), HostNetwork: o.allows("network.host"),
		Devices: o.editsFor,
	}
}

// runFrontend returns the result of the frontend. If SBOMs are requested and the frontend
// generated none, it adds them. The result is not nil unless there is an error.
func (p *inputs) runFrontend(ctx context.Context, o *Options, c *local.Client, progress *progress) (*gateway.Result, error) {
	res, err := p.buildFunc(o, progress)(ctx, c)
	if err == nil && res == nil {
		res = gateway.NewResult()
	}
	if err != nil || o.Call != "" {
		return res, err
	}
	list, err := platformsOf(res)
	if err != nil {
		return nil, err
	}
	return res, frontend.AddSBOM(ctx, c, res, list)
}

// saveState reports the steps that needed no evaluation as cached, and saves the indexes that
// make the next build start faster.
func (s *localBuilder) saveState(b *solver.Job, graphs []*solver.Graph) error {
	for _, g := range graphs {
		b.Finish(g)
	}
	if err := errors.Join(s.Files.Save(), s.Store.SaveRecent()); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

// result returns the result of a build for its caller, before its outputs are written. Only builds
// for a server return the metadata of the frontend.
func (p *inputs) result(res *gateway.Result) *Result {
	out := &Result{Exported: map[string]string{}, Images: map[int]v1.Descriptor{}}
	if p.request != nil {
		out.Metadata = res.Metadata
	}
	return out
}

// explain writes the reasons for cache misses, or the cache keys, to o.Explain. It also
// records the steps of the current build, so that the next build can explain its cache misses.
func (o *Options) explain(x *explain.Explainer, b *solver.Job, graphs []*solver.Graph) error {
	if o.Explain == nil || !o.ExplainKeys {
		return x.Finish(o.Explain, b, graphs)
	}
	return errors.Join(x.Finish(nil, b, graphs), x.WriteKeys(o.Explain, b, graphs))
}

// solve evaluates the results for all platforms concurrently. If the build does not use the
// files of the results, exported is false. In this case, solve does not fetch a result that is
// an unmodified image.
func solve(ctx context.Context, res *gateway.Result, exported bool) ([]export.PlatformResult, error) {
	list, err := platformsOf(res)
	if err != nil {
		return nil, err
	}
	results := make([]export.PlatformResult, len(list))
	errs := make(chan error, len(list))
	for i, p := range list {
		go func() {
			var err error
			results[i], err = solveOne(ctx, res, p, exported)
			errs <- err
		}()
	}
	for range list {
		err = errors.Join(err, <-errs)
	}
	return results, err
}

// platformsOf returns the platforms for which a frontend returned results. If the frontend
// lists no platforms, the result is the platform in the image config or, without an image
// config, the platform of this machine.
func platformsOf(res *gateway.Result) ([]exptypes.Platform, error) {
	_, listed := res.Metadata[exptypes.ExporterPlatformsKey]
	_, configured := res.Metadata[exptypes.ExporterImageConfigKey]
	switch {
	case len(res.Refs) > 0 && !listed:
		return nil, errors.New("unable to export multiple refs, missing platforms mapping")
	case !listed && !configured:
		p := llbsource.Machine()
		return []exptypes.Platform{{ID: platforms.FormatAll(p), Platform: p}}, nil
	}
	list, err := exptypes.ParsePlatforms(res.Metadata)
	if err != nil {
		return nil, fmt.Errorf("platforms of the result: %w", err)
	}
	if len(res.Refs) == 0 && len(list.Platforms) > 1 {
		return nil, errors.New("cannot export multiple platforms without multi-platform enabled")
	}
	return list.Platforms, nil
}

func solveOne(ctx context.Context, res *gateway.Result, p exptypes.Platform, exported bool) (export.PlatformResult, error) {
	out := export.PlatformResult{Platform: p.Platform, ID: p.ID}
	out.Config = exptypes.ParseKey(res.Metadata, exptypes.ExporterImageConfigKey, &p)
	out.Base = exptypes.ParseKey(res.Metadata, exptypes.ExporterImageBaseConfigKey, &p)
	var err error
	if out.Epoch, err = parseEpoch(string(exptypes.ParseKey(res.Metadata, epoch.ExporterEpochKey, &p))); err != nil {
		return out, fmt.Errorf("SOURCE_DATE_EPOCH of the result: %w", err)
	}
	ref, _ := res.FindRef(p.ID)
	if ref != nil {
		r, ok := ref.(*local.Reference)
		if !ok || r == nil || r.Result == nil {
			return out, fmt.Errorf("invalid result of the frontend: %T is not a reference from this build", ref)
		}
		if r.Result.Vertex().Op.GetSource() != nil && !exported {
			_, err := r.Result.Key(ctx)
			return out, err
		}
		if out.Snapshot, err = r.Result.Snapshot(ctx); err != nil {
			return out, err
		}
	}
	return out, nil
}
