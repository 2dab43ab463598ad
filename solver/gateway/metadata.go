package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/llbsource"
	"slipway/solver/tree"
)

// maxSuffix is the maximum length in bytes of the suffix that a checksum request appends
// to the content of a download, as in BuildKit.
const maxSuffix = 4 << 10

// ResolveSourceMetadata implements [client.Client]. For sources without metadata, such as
// local ones, the response contains only the operation.
func (c *Client) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	if op == nil {
		return nil, errors.New("invalid nil source")
	}
	op = op.CloneVT()
	p, err := c.policy(opt.SourcePolicies)
	if err != nil {
		return nil, err
	}
	if _, err := p.apply(ctx, op, platformMessage(requestedPlatform(opt))); err != nil {
		return nil, fmt.Errorf("could not resolve image due to policy: %w", err)
	}
	return c.resolve(ctx, op, opt)
}

// resolve resolves the source operation op in a step. The caller must have applied the source
// policies to op.
func (c *Client) resolve(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	name := opt.LogName
	if name == "" {
		name = "resolve image config for " + op.Identifier
	}
	var res *sourceresolver.MetaResponse
	err := c.opt.Step(ctx, op.Identifier+platforms.FormatAll(platformOf(opt)), name, func(ctx context.Context) (err error) {
		res, err = c.metadata(ctx, op, opt)
		return err
	})
	return res, err
}

// platformMessage converts a platform to the form that messages contain. If p is nil, it returns
// nil.
func platformMessage(p *ocispecs.Platform) *pb.Platform {
	if p == nil {
		return nil
	}
	return pb.PlatformFromSpec(*p)
}

// platformOf returns the platform in the options of a metadata request or, if they contain
// none, the default platform of this machine.
func platformOf(opt sourceresolver.Opt) ocispecs.Platform {
	if p := requestedPlatform(opt); p != nil {
		return *p
	}
	return llbsource.Machine()
}

// requestedPlatform returns the platform in the options of a metadata request, or nil.
func requestedPlatform(opt sourceresolver.Opt) *ocispecs.Platform {
	switch i, o := opt.ImageOpt, opt.OCILayoutOpt; {
	case i != nil && i.Platform != nil:
		return i.Platform
	case o != nil && o.Platform != nil:
		return o.Platform
	}
	return nil
}

// metadata resolves the source operation op and returns its metadata. The caller must
// have applied the source policies to op.
func (c *Client) metadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	scheme, rest, ok := strings.Cut(op.GetIdentifier(), "://")
	if !ok {
		return nil, fmt.Errorf("source %q has no scheme", op.GetIdentifier())
	}
	res := &sourceresolver.MetaResponse{Op: op}
	var err error
	switch scheme {
	case "docker-image", "oci-layout":
		res.Image, err = c.image(ctx, op, rest, opt)
	case "git":
		res.Git, err = c.git(ctx, op, opt.GitOpt)
	case "http", "https":
		res.HTTP, err = c.http(ctx, op, opt.HTTPOpt)
	case "local", "docker-image+blob", "oci-layout+blob":
	default:
		err = fmt.Errorf("unsupported source scheme %q", scheme)
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

func (c *Client) image(ctx context.Context, op *pb.SourceOp, name string, opt sourceresolver.Opt) (*sourceresolver.ResolveImageResponse, error) {
	i, p := opt.ImageOpt, platformOf(opt)
	var img *llbsource.Image
	var err error
	if strings.HasPrefix(op.Identifier, "docker-image:") {
		img, err = c.opt.Sources.Resolve(ctx, name, &p, i != nil && i.ResolveMode == pb.AttrImageResolveModeForcePull)
	} else {
		img, err = c.opt.Sources.ResolveLayout(ctx, name, op.Attrs[pb.AttrOCILayoutStoreID], p)
	}
	if err != nil {
		return nil, err
	}
	c.recordImage(op.Identifier, requestedPlatform(opt), img.ResolvedDigest())
	res := &sourceresolver.ResolveImageResponse{Digest: img.ResolvedDigest()}
	if i == nil || !i.NoConfig {
		res.Config = img.Config()
	}
	if i != nil && (i.AttestationChain || len(i.ResolveAttestations) > 0) {
		if res.AttestationChain, err = img.Attestations(ctx, i.ResolveAttestations); err != nil {
			return nil, fmt.Errorf("image %s: attestations: %w", name, err)
		}
	}
	return res, nil
}

func (c *Client) git(ctx context.Context, op *pb.SourceOp, opt *sourceresolver.ResolveGitOpt) (*sourceresolver.ResolveGitResponse, error) {
	md, err := c.opt.Sources.ResolveGit(ctx, op, opt != nil && opt.ReturnObject)
	if err != nil {
		return nil, err
	}
	return &sourceresolver.ResolveGitResponse{
		Ref: md.Ref, Checksum: md.Object, CommitChecksum: md.Commit,
		CommitObject: md.CommitObject, TagObject: md.TagObject,
	}, nil
}

func (c *Client) http(ctx context.Context, op *pb.SourceOp, opt *sourceresolver.ResolveHTTPOpt) (*sourceresolver.ResolveHTTPResponse, error) {
	var req *sourceresolver.ResolveHTTPChecksumRequest
	if opt != nil {
		req = opt.ChecksumReq
	}
	if req != nil && len(req.Suffix) > maxSuffix {
		return nil, fmt.Errorf("http checksum request suffix exceeds max size %d", maxSuffix)
	}
	d, err := c.opt.Sources.ResolveHTTP(ctx, op)
	if err != nil {
		return nil, err
	}
	res := &sourceresolver.ResolveHTTPResponse{Digest: d.Blob.Digest, Filename: d.Name, LastModified: d.LastModified}
	if req != nil {
		if res.ChecksumResponse, err = checksum(c.opt.Store, d.Blob, req); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// checksum answers a checksum request for a download. It hashes the content of the blob b
// followed by the suffix in the request, with the requested algorithm.
func checksum(store *tree.Store, b tree.Blob, req *sourceresolver.ResolveHTTPChecksumRequest) (*sourceresolver.ResolveHTTPChecksumResponse, error) {
	var h hash.Hash
	var name digest.Algorithm
	switch req.Algo {
	case sourceresolver.ResolveHTTPChecksumAlgoSHA256:
		h, name = sha256.New(), digest.SHA256
	case sourceresolver.ResolveHTTPChecksumAlgoSHA384:
		h, name = sha512.New384(), digest.SHA384
	case sourceresolver.ResolveHTTPChecksumAlgoSHA512:
		h, name = sha512.New(), digest.SHA512
	default:
		return nil, fmt.Errorf("unsupported checksum algorithm %d", req.Algo)
	}
	f, err := store.Open(b)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(h, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	h.Write(req.Suffix)
	return &sourceresolver.ResolveHTTPChecksumResponse{Digest: digest.NewDigest(name, h).String(), Suffix: slices.Clone(req.Suffix)}, nil
}
