package provenance

import (
	"maps"
	"strings"
	"time"

	"github.com/containerd/platforms"
	slsa "github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/common"
	slsa1 "github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/v1"
	resources "github.com/moby/buildkit/executor/resources/types"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/purl"
	"github.com/moby/buildkit/util/urlutil"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// compatibilityVersion is the version of BuildKit's behavior that this builder has.
const compatibilityVersion = 30

// Build describes a build. It becomes part of the predicate.
type Build struct {
	Request           FrontendRequest                      // request for the frontend that made the result; empty if the client made it
	Root              *FrontendRequest                     // request of the client, if it requested another frontend; else it may be nil
	DockerfileVersion string                               // version of the built-in frontend; "" if another one is used
	Platform          ocispecs.Platform                    // of the result
	Machine           ocispecs.Platform                    // of the machine that builds
	Definition        *pb.Definition                       // of the result
	Outputs           []Output                             // outputs of operations, for mode=max
	Env               map[string]any                       // properties of the machine, see [ReadEnv]
	Usage             []*resources.SysSample               // usage of the machine
	StepUsage         map[digest.Digest]*resources.Samples // usage of steps by the digests of their operations
	Started, Finished time.Time
	ID                string // identifies this build
}

// Output is an output of an operation in the definition of a build.
type Output struct {
	Operation digest.Digest
	Index     int                   // number of the output
	Layers    []ocispecs.Descriptor // lowest first
}

// FrontendRequest is the request for a frontend.
type FrontendRequest struct {
	Name   string // dockerfile.v0 or gateway.v0
	Opts   map[string]string
	Inputs map[string]*FrontendRequest // requests that made inputs of this request, by the name of the input
}

// Predicate returns the predicate for a result, in the version that the request asks for.
func (c *Capture) Predicate(r Request, b Build) (any, error) {
	if err := c.sort(); err != nil {
		return nil, err
	}
	deps, err := c.dependencies()
	if err != nil {
		return nil, err
	}
	incomplete := c.incomplete || len(c.sources.Local) > 0
	p := &types.ProvenancePredicateSLSA1{}
	d := &p.BuildDefinition
	d.BuildType, d.ResolvedDependencies = types.BuildKitBuildType1, deps
	d.ExternalParameters = c.parameters(b)
	d.InternalParameters.BuilderPlatform = platforms.Format(platforms.Normalize(b.Machine))
	d.InternalParameters.TargetPlatform = platforms.FormatAll(b.Platform)
	d.InternalParameters.DockerfileVersion = b.DockerfileVersion
	d.InternalParameters.ProvenanceCustomEnv = b.Env
	p.RunDetails.Builder.ID = r.BuilderID
	m := &types.ProvenanceMetadataSLSA1{
		Completeness: types.BuildKitComplete{Request: b.Request.Name != "", ResolvedDependencies: !incomplete},
		Hermetic:     !incomplete && !c.network,
		Reproducible: r.Reproducible,
	}
	m.InvocationID, m.StartedOn, m.FinishedOn = b.ID, &b.Started, &b.Finished
	if r.Usage {
		m.BuildKitMetadata.SysUsage = b.Usage
	} else {
		b.StepUsage = nil
	}
	p.RunDetails.Metadata = m
	moveVCS(p)
	if r.Min {
		if scrub(&d.ExternalParameters.Request) {
			m.Completeness.Request = false
		}
	} else if err := addSteps(p, b); err != nil {
		return nil, err
	}
	if r.Version == types.ProvenanceSLSA02 {
		return p.ConvertToSLSA02(), nil
	}
	return p, nil
}

// resource is the type of SLSA resources in BuildKit's types.
type resource = slsa1.ResourceDescriptor //nolint:staticcheck // BuildKit uses the deprecated type

// dependencies returns the sources of the build as SLSA resources.
func (c *Capture) dependencies() ([]resource, error) {
	var out []resource
	for _, i := range c.sources.Images {
		kind := "docker"
		if i.Local {
			kind = "oci"
		}
		uri, err := purl.RefToPURL(kind, i.Ref, i.Platform)
		if err != nil {
			return nil, err
		}
		r := resource{URI: uri}
		if i.Digest != "" {
			r.Digest = slsa.DigestSet{i.Digest.Algorithm().String(): i.Digest.Encoded()}
		}
		out = append(out, r)
	}
	for _, b := range c.sources.ImageBlobs {
		uri, err := blobURL(b, "ref_type=blob")
		if err != nil {
			return nil, err
		}
		out = append(out, resource{URI: uri, Digest: slsa.DigestSet{b.Digest.Algorithm().String(): b.Digest.Encoded()}})
	}
	for _, g := range c.sources.Git {
		out = append(out, resource{URI: g.URL, Digest: commitDigest(g.Commit)})
		if g.Bundle == nil {
			continue
		}
		r, err := bundleResource(g)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	for _, h := range c.sources.HTTP {
		out = append(out, resource{URI: h.URL, Digest: slsa.DigestSet{h.Digest.Algorithm().String(): h.Digest.Encoded()}})
	}
	return out, nil
}

// blobURL returns the package URL of a blob: the URL of an image, with additional qualifiers.
func blobURL(b types.ImageBlobSource, qualifiers string) (string, error) {
	kind := "docker"
	if b.Local {
		kind = "oci"
	}
	uri, err := purl.RefToPURL(kind, b.Ref, nil)
	if err != nil {
		return "", err
	}
	separator := "?"
	if strings.Contains(uri, separator) {
		separator = "&"
	}
	return uri + separator + qualifiers, nil
}

func commitDigest(commit string) slsa.DigestSet {
	if len(commit) == 64 {
		return slsa.DigestSet{"sha256": commit}
	}
	return slsa.DigestSet{"sha1": commit}
}

// parameters returns the request for the frontend that made the result, with everything that its
// steps used. If the client requested another frontend, the result contains this request, too.
func (c *Capture) parameters(b Build) (ext types.ProvenanceExternalParametersSLSA1) {
	own := c.request(b.Request)
	ext.ConfigSource, ext.Request = own.ConfigSource, *own.Request
	ext.Request.Secrets, ext.Request.SSH, ext.Request.CompatibilityVersion = c.secrets, c.ssh, compatibilityVersion
	if b.Root != nil {
		root := c.request(*b.Root)
		if named := root.Request.Frontend != "" || len(root.Request.Args)+len(root.Request.Inputs) > 0; named && !root.Equal(own) {
			ext.Request.Root = root
		}
	}
	for _, l := range c.sources.Local {
		ext.Request.Locals = append(ext.Request.Locals, &types.LocalSource{Name: l.Name})
	}
	return ext
}

// request returns the request for a frontend. The context and the name of the Dockerfile become
// its config source.
func (c *Capture) request(r FrontendRequest) *types.RequestProvenance {
	args := requestArgs(r.Opts)
	context := "context"
	if v := args["contextkey"]; v != "" {
		context = v
	} else if args["input:context"] != "" {
		context = "input:context"
	}
	out := &types.RequestProvenance{Request: &types.Parameters{Frontend: r.Name}}
	for name, in := range r.Inputs {
		if out.Request.Inputs == nil {
			out.Request.Inputs = map[string]*types.RequestProvenance{}
		}
		out.Request.Inputs[name] = c.request(*in)
	}
	if v := args[context]; v != "" {
		out.ConfigSource.URI = urlutil.RedactCredentials(v)
		out.ConfigSource.Digest = c.digestOf(v)
		delete(args, context)
	}
	if v := args["filename"]; v != "" {
		out.ConfigSource.Path = v
		delete(args, "filename")
	}
	if len(args) > 0 {
		out.Request.Args = args
	}
	return out
}

// digestOf returns the digest of the source with the given URL, or nil.
func (c *Capture) digestOf(url string) slsa.DigestSet {
	for _, g := range c.sources.Git {
		if g.URL == url {
			return commitDigest(g.Commit)
		}
	}
	for _, h := range c.sources.HTTP {
		if h.URL == url {
			return slsa.DigestSet{h.Digest.Algorithm().String(): h.Digest.Encoded()}
		}
	}
	return nil
}

// requestArgs returns the frontend options that are part of the provenance. Credentials in
// URLs are removed.
func requestArgs(opts map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range opts {
		switch {
		case k == "cgroup-parent", k == "image-resolve-mode", k == "platform", k == "cache-imports", strings.HasPrefix(k, "attest:"):
			continue // depends on the machine, or does not affect the result
		case k == "context", k == opts["contextkey"], strings.HasPrefix(k, "context:"):
			v = urlutil.RedactCredentials(v)
		}
		out[k] = v
	}
	return out
}

// moveVCS moves the options about the version control system of the client to the metadata.
func moveVCS(p *types.ProvenancePredicateSLSA1) {
	args := p.BuildDefinition.ExternalParameters.Request.Args
	vcs := map[string]string{}
	for k, v := range args {
		name, ok := strings.CutPrefix(k, "vcs:")
		if !ok {
			continue
		}
		if name == "source" {
			v = urlutil.RedactCredentials(v)
		}
		if v != "" {
			vcs[name] = v
		}
	}
	maps.DeleteFunc(args, func(k, _ string) bool { return strings.HasPrefix(k, "vcs:") })
	if len(vcs) > 0 {
		p.RunDetails.Metadata.BuildKitMetadata.VCS = vcs
	}
}

// scrub removes build arguments, labels, secrets and SSH agents from a request, as mode=min
// demands. It reports whether the request had arguments or labels.
func scrub(r *types.Parameters) (removed bool) {
	maps.DeleteFunc(r.Args, func(k, _ string) bool {
		private := strings.HasPrefix(k, "build-arg:") || strings.HasPrefix(k, "label:")
		removed = removed || private
		return private
	})
	r.Secrets, r.SSH = nil, nil
	for _, in := range r.Inputs {
		removed = scrub(in.Request) || removed
	}
	if r.Root != nil {
		removed = scrub(r.Root.Request) || removed
	}
	return removed
}
