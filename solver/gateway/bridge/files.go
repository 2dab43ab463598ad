package bridge

import (
	"context"

	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
)

// ReadFile implements [gwpb.LLBBridgeServer].
func (b *Bridge) ReadFile(ctx context.Context, req *gwpb.ReadFileRequest) (*gwpb.ReadFileResponse, error) {
	ref, err := b.ref(req.Ref)
	if err != nil {
		return nil, err
	}
	data, err := ref.ReadFile(ctx, readRequest(req))
	return &gwpb.ReadFileResponse{Data: data}, err
}

// ReadFileContainer implements [gwpb.LLBBridgeServer].
func (b *Bridge) ReadFileContainer(ctx context.Context, req *gwpb.ReadFileRequest) (*gwpb.ReadFileResponse, error) {
	c, err := b.container(req.Ref)
	if err != nil {
		return nil, err
	}
	data, err := c.ReadFile(ctx, client.ReadContainerRequest{ReadRequest: readRequest(req), MountIndex: int(req.MountIndex)})
	return &gwpb.ReadFileResponse{Data: data}, err
}

// readRequest converts a message that requests the content of a file or a range of it.
func readRequest(req *gwpb.ReadFileRequest) client.ReadRequest {
	r := client.ReadRequest{Filename: req.FilePath}
	if req.Range != nil {
		r.Range = &client.FileRange{Offset: int(req.Range.Offset), Length: int(req.Range.Length)}
	}
	return r
}

// ReadDir implements [gwpb.LLBBridgeServer].
func (b *Bridge) ReadDir(ctx context.Context, req *gwpb.ReadDirRequest) (*gwpb.ReadDirResponse, error) {
	ref, err := b.ref(req.Ref)
	if err != nil {
		return nil, err
	}
	list, err := ref.ReadDir(ctx, client.ReadDirRequest{Path: req.DirPath, IncludePattern: req.IncludePattern})
	return &gwpb.ReadDirResponse{Entries: list}, err
}

// ReadDirContainer implements [gwpb.LLBBridgeServer]. Like BuildKit, it ignores the pattern in
// the request.
func (b *Bridge) ReadDirContainer(ctx context.Context, req *gwpb.ReadDirRequest) (*gwpb.ReadDirResponse, error) {
	c, err := b.container(req.Ref)
	if err != nil {
		return nil, err
	}
	list, err := c.ReadDir(ctx, client.ReadDirContainerRequest{
		ReadDirRequest: client.ReadDirRequest{Path: req.DirPath, IncludePattern: req.IncludePattern},
		MountIndex:     int(req.MountIndex),
	})
	return &gwpb.ReadDirResponse{Entries: list}, err
}

// StatFile implements [gwpb.LLBBridgeServer].
func (b *Bridge) StatFile(ctx context.Context, req *gwpb.StatFileRequest) (*gwpb.StatFileResponse, error) {
	ref, err := b.ref(req.Ref)
	if err != nil {
		return nil, err
	}
	st, err := ref.StatFile(ctx, client.StatRequest{Path: req.Path})
	return &gwpb.StatFileResponse{Stat: st}, err
}

// StatFileContainer implements [gwpb.LLBBridgeServer].
func (b *Bridge) StatFileContainer(ctx context.Context, req *gwpb.StatFileRequest) (*gwpb.StatFileResponse, error) {
	c, err := b.container(req.Ref)
	if err != nil {
		return nil, err
	}
	st, err := c.StatFile(ctx, client.StatContainerRequest{StatRequest: client.StatRequest{Path: req.Path}, MountIndex: int(req.MountIndex)})
	return &gwpb.StatFileResponse{Stat: st}, err
}
