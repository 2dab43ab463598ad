package bridge

import (
	"context"
	"maps"

	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// workerRecord converts the description of a worker to the form that messages contain.
func workerRecord(w client.WorkerInfo) *apitypes.WorkerRecord {
	return &apitypes.WorkerRecord{ID: w.ID, Labels: w.Labels, Platforms: pb.PlatformsFromSpec(w.Platforms)}
}

// platformOf converts the platform in a message. If the message contains no platform, it
// returns nil.
func platformOf(p *pb.Platform) *ocispecs.Platform {
	if p == nil {
		return nil
	}
	return &ocispecs.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures}
}

// ResolveImageConfig implements [gwpb.LLBBridgeServer].
func (b *Bridge) ResolveImageConfig(ctx context.Context, req *gwpb.ResolveImageConfigRequest) (*gwpb.ResolveImageConfigResponse, error) {
	opt := sourceresolver.Opt{LogName: req.LogName, SourcePolicies: req.SourcePolicies}
	switch sourceresolver.ResolverType(req.ResolverType) {
	case sourceresolver.ResolverTypeRegistry:
		opt.ImageOpt = &sourceresolver.ResolveImageOpt{ResolveMode: req.ResolveMode, Platform: platformOf(req.Platform)}
	case sourceresolver.ResolverTypeOCILayout:
		opt.OCILayoutOpt = &sourceresolver.ResolveOCILayoutOpt{
			Store:    sourceresolver.ResolveImageConfigOptStore{SessionID: req.SessionID, StoreID: req.StoreID},
			Platform: platformOf(req.Platform),
		}
	}
	ref, d, config, err := b.client.ResolveImageConfig(ctx, req.Ref, opt)
	return &gwpb.ResolveImageConfigResponse{Ref: ref, Digest: string(d), Config: config}, err
}

// ResolveSourceMeta implements [gwpb.LLBBridgeServer].
func (b *Bridge) ResolveSourceMeta(ctx context.Context, req *gwpb.ResolveSourceMetaRequest) (*gwpb.ResolveSourceMetaResponse, error) {
	if req.Source == nil {
		return nil, status.Error(codes.InvalidArgument, "source is required")
	}
	md, err := b.client.ResolveSourceMetadata(ctx, req.Source, MetadataOptions(req))
	if err != nil {
		return nil, err
	}
	return MetadataResponse(md), nil
}

// MetadataOptions converts a request for the metadata of a source to the options for
// resolving the source.
func MetadataOptions(req *gwpb.ResolveSourceMetaRequest) sourceresolver.Opt {
	p := platformOf(req.Platform)
	opt := sourceresolver.Opt{
		LogName: req.LogName, SourcePolicies: req.SourcePolicies,
		ImageOpt:     &sourceresolver.ResolveImageOpt{ResolveMode: req.ResolveMode, Platform: p},
		OCILayoutOpt: &sourceresolver.ResolveOCILayoutOpt{Platform: p},
	}
	if i := req.Image; i != nil {
		opt.ImageOpt.NoConfig, opt.ImageOpt.AttestationChain, opt.ImageOpt.ResolveAttestations = i.NoConfig, i.AttestationChain, i.ResolveAttestations
	}
	if req.Git != nil {
		opt.GitOpt = &sourceresolver.ResolveGitOpt{ReturnObject: req.Git.ReturnObject}
	}
	if c := req.HTTP.GetChecksumRequest(); c != nil {
		opt.HTTPOpt = &sourceresolver.ResolveHTTPOpt{ChecksumReq: &sourceresolver.ResolveHTTPChecksumRequest{Algo: algorithmOf(c.Algo), Suffix: c.Suffix}}
	}
	return opt
}

// algorithmOf converts the number of a hash algorithm in a message. It returns an unknown
// number unchanged, so that the client rejects it.
func algorithmOf(a gwpb.ChecksumRequest_ChecksumAlgo) sourceresolver.ResolveHTTPChecksumAlgo {
	switch a {
	case gwpb.ChecksumRequest_CHECKSUM_ALGO_SHA256:
		return sourceresolver.ResolveHTTPChecksumAlgoSHA256
	case gwpb.ChecksumRequest_CHECKSUM_ALGO_SHA384:
		return sourceresolver.ResolveHTTPChecksumAlgoSHA384
	case gwpb.ChecksumRequest_CHECKSUM_ALGO_SHA512:
		return sourceresolver.ResolveHTTPChecksumAlgoSHA512
	}
	return sourceresolver.ResolveHTTPChecksumAlgo(a)
}

// MetadataResponse converts the metadata of a source to the response message.
func MetadataResponse(md *sourceresolver.MetaResponse) *gwpb.ResolveSourceMetaResponse {
	res := &gwpb.ResolveSourceMetaResponse{Source: md.Op}
	if i := md.Image; i != nil {
		res.Image = &gwpb.ResolveSourceImageResponse{Digest: string(i.Digest), Config: i.Config, AttestationChain: chainMessage(i.AttestationChain)}
	}
	if g := md.Git; g != nil {
		res.Git = &gwpb.ResolveSourceGitResponse{
			Checksum: g.Checksum, Ref: g.Ref, CommitChecksum: g.CommitChecksum, CommitObject: g.CommitObject, TagObject: g.TagObject,
		}
	}
	if h := md.HTTP; h != nil {
		res.HTTP = &gwpb.ResolveSourceHTTPResponse{Checksum: string(h.Digest), Filename: h.Filename}
		if h.LastModified != nil {
			res.HTTP.LastModified = &timestamppb.Timestamp{Seconds: h.LastModified.Unix()}
		}
		if c := h.ChecksumResponse; c != nil {
			res.HTTP.ChecksumResponse = &gwpb.ChecksumResponse{Digest: c.Digest, Suffix: c.Suffix}
		}
	}
	return res
}

// chainMessage converts the attestations of an image to the form that messages contain. If c
// is nil, it returns nil.
func chainMessage(c *sourceresolver.AttestationChain) *gwpb.AttestationChain {
	if c == nil {
		return nil
	}
	out := &gwpb.AttestationChain{
		Root: string(c.Root), ImageManifest: string(c.ImageManifest), AttestationManifest: string(c.AttestationManifest),
		SignatureManifests: digestTexts(c.SignatureManifests), Blobs: make(map[string]*gwpb.Blob, len(c.Blobs)),
	}
	for d, blob := range c.Blobs {
		of := blob.Descriptor
		out.Blobs[string(d)] = &gwpb.Blob{Data: blob.Data, Descriptor_: &gwpb.Descriptor{
			MediaType: of.MediaType, Size: of.Size, Digest: string(of.Digest), Annotations: maps.Clone(of.Annotations),
		}}
	}
	return out
}

// digestTexts converts digests to strings.
func digestTexts(list []digest.Digest) []string {
	var out []string
	for _, d := range list {
		out = append(out, string(d))
	}
	return out
}

// Warn implements [gwpb.LLBBridgeServer].
func (b *Bridge) Warn(ctx context.Context, req *gwpb.WarnRequest) (*gwpb.WarnResponse, error) {
	err := b.client.Warn(ctx, digest.Digest(req.Digest), string(req.Short), client.WarnOpts{
		Level: int(req.Level), SourceInfo: req.Info, Range: req.Ranges, Detail: req.Detail, URL: req.Url,
	})
	return &gwpb.WarnResponse{}, err
}
