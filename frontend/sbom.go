package frontend

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/result"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"slipway/dockerfile2llb"
	"slipway/frontend/options"
	"slipway/plan"
)

// The directories from which a scanner reads and to which it writes. The scanner receives their
// paths in environment variables.
const (
	scanCore   = "/run/src/core/sbom"
	scanExtras = "/run/src/extras"
	scanOut    = "/run/out/"
)

// coreSBOM is the name that a scanner gives to the SBOM of the target.
const coreSBOM = "sbom"

// predicateSPDX is the in-toto predicate type of an SPDX SBOM. If an SBOM of this type
// exists, the builder does not generate one itself.
const predicateSPDX = "https://spdx.dev/Document"

// scanner is the resolved image that generates SBOMs, with its config and parameters.
type scanner struct {
	ref      string
	platform ocispecs.Platform
	config   ocispecs.ImageConfig
	params   map[string]string
}

// scanner resolves the image that generates the SBOM. It returns nil if no SBOM is
// requested.
func (b *build) scanner(ctx context.Context) (*scanner, error) {
	opt := b.options.SBOM
	if opt == nil {
		return nil, nil
	}
	s := &scanner{platform: b.buildPlatforms()[0], params: opt.Params}
	resolved, err := b.inputs.Image(ctx, opt.Image, plan.ImageQuery{Platform: &s.platform, Mode: b.options.Plan.ResolveMode})
	if err != nil {
		return nil, err
	}
	return s, s.setImage(resolved.Ref, resolved.Config)
}

// setImage sets the reference and the config of the scanner's image.
func (s *scanner) setImage(ref string, config []byte) error {
	s.ref = ref
	var img ocispecs.Image
	if err := json.Unmarshal(config, &img); err != nil {
		return err
	}
	s.config = img.Config
	if len(s.config.Entrypoint)+len(s.config.Cmd) == 0 {
		return fmt.Errorf("scanner %s does not have cmd", ref)
	}
	return nil
}

// AddSBOM adds an SBOM of each platform to a result if the options of the client c request SBOMs
// and the frontend generated none. The SBOM of a platform covers only the files of its result,
// because only the frontend knows the build context and other stages.
func AddSBOM(ctx context.Context, c client.Client, res *client.Result, list []exptypes.Platform) error {
	build := c.BuildOpts()
	opt, err := options.ParseScanner(build.Opts)
	if opt == nil || err != nil || hasSBOM(res) {
		return err
	}
	s := &scanner{platform: platforms.DefaultSpec(), params: opt.Params}
	if len(build.Workers) > 0 && len(build.Workers[0].Platforms) > 0 {
		s.platform = build.Workers[0].Platforms[0]
	}
	ref, _, config, err := c.ResolveImageConfig(ctx, opt.Image, sourceresolver.Opt{
		ImageOpt: &sourceresolver.ResolveImageOpt{ResolveMode: build.Opts["image-resolve-mode"], Platform: &s.platform},
	})
	if err != nil {
		return err
	}
	if err := s.setImage(ref, config); err != nil {
		return err
	}
	noCache, ok := build.Opts["no-cache"] // otherwise the names of stages
	for _, p := range list {
		ref, found := res.FindRef(p.ID)
		if !found {
			return fmt.Errorf("could not find ref %s", p.ID)
		}
		if ref == nil {
			continue
		}
		st, err := ref.ToState()
		if err != nil {
			return err
		}
		def, err := s.scan(p.ID, &dockerfile2llb.SBOM{Core: st, NoCache: ok && noCache == ""}).Marshal(ctx)
		if err != nil {
			return err
		}
		solved, err := c.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
		if err != nil {
			return err
		}
		res.AddAttestation(p.ID, newSBOM(solved.Ref))
	}
	return nil
}

// hasSBOM reports whether a result has an SBOM in the format SPDX.
func hasSBOM(res *client.Result) bool {
	for _, list := range res.Attestations {
		for _, a := range list {
			if a.InToto.PredicateType == predicateSPDX {
				return true
			}
		}
	}
	return false
}

// newSBOM returns the attestation whose files a scanner has written to the directory ref.
func newSBOM(ref client.Reference) result.Attestation[client.Reference] {
	return result.Attestation[client.Reference]{
		Kind: gwpb.AttestationKind_Bundle,
		Ref:  ref,
		Metadata: map[string][]byte{
			result.AttestationReasonKey: []byte(result.AttestationReasonSBOM),
			result.AttestationSBOMCore:  []byte(coreSBOM),
		},
		InToto: result.InTotoAttestation{PredicateType: predicateSPDX},
	}
}

// attest runs the scanner s to generate an SBOM for each platform, and adds the SBOMs to
// res. If s is nil, it does nothing.
func (b *build) attest(ctx context.Context, res *client.Result, s *scanner, results []platformResult) error {
	if s == nil {
		return nil
	}
	refs := make([]client.Reference, len(results))
	ids := make([]string, len(results))
	g, ctx := errgroup.WithContext(ctx)
	for i, r := range results {
		ids[i] = platforms.FormatAll(platforms.Normalize(r.requested))
		g.Go(func() error {
			def, err := s.scan(ids[i], &r.result.SBOM).Marshal(ctx)
			if err != nil {
				return err
			}
			solved, err := b.client.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
			if err == nil {
				refs[i] = solved.Ref
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, id := range ids {
		res.AddAttestation(id, newSBOM(refs[i]))
	}
	return nil
}

// scan runs the scanner over the states in the parameter of, and returns the LLB state of the
// directory to which the scanner writes its SBOMs. The parameter id identifies the platform in
// progress output.
func (s *scanner) scan(id string, of *dockerfile2llb.SBOM) llb.State {
	opts := []llb.RunOption{
		llb.WithCustomName(fmt.Sprintf("[%s] generating sbom using %s", id, s.ref)),
		llb.Dir(s.config.WorkingDir),
		llb.Args(slices.Concat(s.config.Entrypoint, s.config.Cmd)),
	}
	if of.NoCache {
		opts = append(opts, llb.IgnoreCache)
	}
	for _, kv := range s.env(len(of.Extras) > 0) {
		k, v, _ := strings.Cut(kv, "=")
		opts = append(opts, llb.AddEnv(k, v))
	}
	image := llb.Image(s.ref, llb.Platform(s.platform))
	run := image.Run(opts...)
	if s.platform.OS == "windows" { // Windows has no tmpfs
		tmp := image.File(llb.Mkdir("/tmp", 0o777, llb.WithParents(true)))
		run.AddMount("/tmp", tmp, llb.SourcePath("/tmp"), llb.ForceNoOutput)
	} else {
		run.AddMount("/tmp", llb.Scratch(), llb.Tmpfs())
	}
	run.AddMount(scanCore, of.Core, llb.Readonly)
	for _, name := range slices.Sorted(maps.Keys(of.Extras)) {
		run.AddMount(scanExtras+"/"+coreSBOM+"-"+name, of.Extras[name], llb.Readonly)
	}
	return run.AddMount(scanOut, llb.Scratch())
}

// env returns the environment of the scanner: the variables of its image, the directories and
// the parameters. The parameter extras is true if the scanner also scans states other than the
// target.
func (s *scanner) env(extras bool) []string {
	env := append(slices.Clone(s.config.Env), "BUILDKIT_SCAN_DESTINATION="+scanOut, "BUILDKIT_SCAN_SOURCE="+scanCore)
	if extras {
		env = append(env, "BUILDKIT_SCAN_SOURCE_EXTRAS="+scanExtras)
	}
	for _, name := range slices.Sorted(maps.Keys(s.params)) {
		env = append(env, "BUILDKIT_SCAN_"+name+"="+s.params[name])
	}
	return env
}
