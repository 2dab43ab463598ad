package gateway

import (
	"context"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/source"
)

// ResolveSourceMetadata implements [client.Client].
func (c *Client) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	scheme, rest, _ := strings.Cut(op.Identifier, "://")
	res := &sourceresolver.MetaResponse{Op: op}
	switch scheme {
	case "docker-image":
		var p *ocispecs.Platform
		if opt.ImageOpt != nil {
			p = opt.ImageOpt.Platform
		}
		img, err := c.opt.Sources.Resolve(ctx, rest, p)
		if err != nil {
			return nil, err
		}
		res.Image = imageResponse(img)
	case "oci-layout":
		p := source.Machine()
		if opt.OCILayoutOpt != nil && opt.OCILayoutOpt.Platform != nil {
			p = *opt.OCILayoutOpt.Platform
		}
		img, err := c.opt.Sources.ResolveLayout(ctx, rest, op.Attrs[pb.AttrOCILayoutStoreID], p)
		if err != nil {
			return nil, err
		}
		res.Image = imageResponse(img)
	case "git":
		md, err := c.opt.Sources.ResolveGit(ctx, op, opt.GitOpt != nil && opt.GitOpt.ReturnObject)
		if err != nil {
			return nil, err
		}
		res.Git = &sourceresolver.ResolveGitResponse{
			Ref: md.Ref, Checksum: md.Object, CommitChecksum: md.Commit,
			CommitObject: md.CommitObject, TagObject: md.TagObject,
		}
	case "http", "https":
		d, err := c.opt.Sources.ResolveHTTP(ctx, op)
		if err != nil {
			return nil, err
		}
		res.HTTP = &sourceresolver.ResolveHTTPResponse{Digest: d.Blob.Digest, Filename: d.Name, LastModified: d.LastModified}
	default:
		return nil, fmt.Errorf("sources of the kind %s:// have no metadata here", scheme)
	}
	return res, nil
}

func imageResponse(img *source.Image) *sourceresolver.ResolveImageResponse {
	return &sourceresolver.ResolveImageResponse{Digest: img.Found(), Config: img.Config()}
}
