package provenance

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/urlutil"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/llbsource"
)

// Capture collects what the operations of a build depended on. The zero value is empty. Not safe
// for concurrent use.
type Capture struct {
	sources    types.Sources
	secrets    []*types.Secret
	ssh        []*types.SSH
	network    bool // a step could use a network
	incomplete bool // the sources of an operation are unknown
}

// AddGraph adds the operations of a graph. It resolves the sources again, which this build has
// resolved before, so that src has the results.
func (c *Capture) AddGraph(ctx context.Context, g *solver.Graph, src *llbsource.Sources) error {
	for _, v := range g.Vertices {
		switch {
		case v.Op.GetSource() != nil:
			if err := c.addSource(ctx, v.Op, src); err != nil {
				return err
			}
		case v.Op.GetExec() != nil:
			c.addExec(v.Op.GetExec())
		case v.Op.GetBuild() != nil:
			c.incomplete = true
		}
	}
	return nil
}

// addExec adds the secrets, SSH agents and network of a step.
func (c *Capture) addExec(e *pb.ExecOp) {
	for _, m := range e.Mounts {
		switch m.MountType {
		case pb.MountType_SECRET:
			c.addSecret(m.SecretOpt.GetID(), m.SecretOpt.GetOptional())
		case pb.MountType_SSH:
			c.addSSH(m.SSHOpt.GetID(), m.SSHOpt.GetOptional())
		default: // files
		}
	}
	for _, s := range e.Secretenv {
		c.addSecret(s.GetID(), s.GetOptional())
	}
	c.network = c.network || e.Network != pb.NetMode_NONE
}

// addSecret adds a secret. It is optional if all its uses are.
func (c *Capture) addSecret(id string, optional bool) {
	i := slices.IndexFunc(c.secrets, func(s *types.Secret) bool { return s.ID == id })
	if i < 0 {
		c.secrets = append(c.secrets, &types.Secret{ID: id, Optional: optional})
		return
	}
	c.secrets[i].Optional = c.secrets[i].Optional && optional
}

// addSSH adds an SSH agent. It is optional if all its uses are.
func (c *Capture) addSSH(id string, optional bool) {
	id = cmp.Or(id, "default")
	i := slices.IndexFunc(c.ssh, func(s *types.SSH) bool { return s.ID == id })
	if i < 0 {
		c.ssh = append(c.ssh, &types.SSH{ID: id, Optional: optional})
		return
	}
	c.ssh[i].Optional = c.ssh[i].Optional && optional
}

// addSource adds a source operation with the digest or commit to which src resolves it.
func (c *Capture) addSource(ctx context.Context, op *pb.Op, src *llbsource.Sources) error {
	s := op.GetSource()
	scheme, rest, _ := strings.Cut(s.Identifier, "://")
	switch scheme {
	case "docker-image":
		p := platformOf(op.Platform)
		img, err := src.Resolve(ctx, rest, p, s.Attrs[pb.AttrImageResolveMode] == pb.AttrImageResolveModeForcePull)
		if err != nil {
			return err
		}
		c.AddImage(types.ImageSource{Ref: rest, Platform: p, Digest: img.ResolvedDigest()})
	case "oci-layout":
		p := platformOf(op.Platform)
		of := llbsource.Machine()
		if p != nil {
			of = *p
		}
		img, err := src.ResolveLayout(ctx, rest, s.Attrs[pb.AttrOCILayoutStoreID], of)
		if err != nil {
			return err
		}
		c.AddImage(types.ImageSource{Ref: rest, Platform: p, Digest: img.ResolvedDigest(), Local: true})
	case "local":
		if !slices.Contains(c.sources.Local, types.LocalSource{Name: rest}) {
			c.sources.Local = append(c.sources.Local, types.LocalSource{Name: rest})
		}
	case "http", "https":
		d, err := src.ResolveHTTP(ctx, s)
		if err != nil {
			return err
		}
		c.addHTTP(types.HTTPSource{URL: urlutil.RedactCredentials(s.Identifier), Digest: d.Blob.Digest})
	case "git":
		return c.addGit(ctx, s, src)
	default:
		c.addBlob(s.Identifier)
	}
	return nil
}

// addBlob adds a blob of a repository or an OCI layout. Other identifiers are ignored.
func (c *Capture) addBlob(identifier string) {
	ref, isLayout, ok := llbsource.BlobReference(identifier)
	_, d, _ := strings.Cut(ref, "@")
	b := types.ImageBlobSource{Ref: ref, Digest: digest.Digest(d), Local: isLayout}
	if ok && !slices.Contains(c.sources.ImageBlobs, b) {
		c.sources.ImageBlobs = append(c.sources.ImageBlobs, b)
	}
}

func (c *Capture) addHTTP(h types.HTTPSource) {
	if !slices.ContainsFunc(c.sources.HTTP, func(o types.HTTPSource) bool { return o.URL == h.URL }) {
		c.sources.HTTP = append(c.sources.HTTP, h)
	}
}

// addGit adds a commit of a git repository, and the secrets and the SSH agent that may be used to
// fetch it.
func (c *Capture) addGit(ctx context.Context, s *pb.SourceOp, src *llbsource.Sources) error {
	md, err := src.ResolveGit(ctx, s, false)
	if err != nil {
		return err
	}
	name, fragment, _ := strings.Cut(s.Identifier, "#")
	url := cmp.Or(s.Attrs[pb.AttrFullRemoteURL], name)
	if ref, _, _ := strings.Cut(fragment, ":"); ref != "" {
		url += "#" + ref
	}
	g := types.GitSource{URL: urlutil.RedactCredentials(url), Commit: md.Commit}
	if g.Commit == "" {
		g.Commit = md.Object
	}
	if bundle := s.Attrs[pb.AttrGitBundle]; bundle != "" {
		g.Bundle = &types.GitBundle{URL: bundle}
	}
	if !slices.ContainsFunc(c.sources.Git, func(o types.GitSource) bool {
		return o.URL == g.URL && bundleURL(o) == bundleURL(g)
	}) {
		c.sources.Git = append(c.sources.Git, g)
	}
	for _, attr := range []string{pb.AttrAuthTokenSecret, pb.AttrAuthHeaderSecret} {
		if id := s.Attrs[attr]; id != "" {
			c.addSecret(id, true)
		}
	}
	if id := s.Attrs[pb.AttrMountSSHSock]; id != "" {
		c.addSSH(id, true)
	}
	return nil
}

// AddImage adds an image. It ignores an image that was added before for the same platform.
func (c *Capture) AddImage(i types.ImageSource) {
	if !slices.ContainsFunc(c.sources.Images, func(o types.ImageSource) bool {
		return o.Ref == i.Ref && o.Local == i.Local && samePlatform(o.Platform, i.Platform)
	}) {
		c.sources.Images = append(c.sources.Images, i)
	}
}

// samePlatform reports whether two platforms are equal. Features of the OS are ignored, as in
// BuildKit.
func samePlatform(a, b *ocispecs.Platform) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.OS == b.OS && a.Architecture == b.Architecture && a.Variant == b.Variant && a.OSVersion == b.OSVersion
}

func platformOf(p *pb.Platform) *ocispecs.Platform {
	if p == nil {
		return nil
	}
	return &ocispecs.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures}
}

// sort puts everything in a defined order, and removes images by digest that are also listed by
// tag: a frontend resolves a tag, and the operation has the digest.
func (c *Capture) sort() error {
	tags := map[string]bool{}
	images := c.sources.Images
	c.sources.Images = nil
	for _, byDigest := range []bool{false, true} {
		for _, i := range images {
			named, err := reference.ParseNormalizedNamed(i.Ref)
			if err != nil {
				return err
			}
			_, digested := named.(reference.Canonical)
			name := named.Name() + ":latest"
			if t, ok := named.(reference.Tagged); ok {
				name = named.Name() + ":" + t.Tag()
			}
			if digested != byDigest || digested && tags[name] {
				continue
			}
			tags[name] = tags[name] || !digested
			c.sources.Images = append(c.sources.Images, i)
		}
	}
	slices.SortStableFunc(c.sources.ImageBlobs, func(a, b types.ImageBlobSource) int { return cmp.Compare(a.Ref, b.Ref) })
	slices.SortStableFunc(c.sources.Images, func(a, b types.ImageSource) int { return cmp.Compare(a.Ref, b.Ref) })
	slices.SortStableFunc(c.sources.Local, func(a, b types.LocalSource) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(c.sources.Git, func(a, b types.GitSource) int { return cmp.Compare(a.URL, b.URL) })
	slices.SortStableFunc(c.sources.HTTP, func(a, b types.HTTPSource) int { return cmp.Compare(a.URL, b.URL) })
	slices.SortFunc(c.secrets, func(a, b *types.Secret) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(c.ssh, func(a, b *types.SSH) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}
