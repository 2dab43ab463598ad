package server

import (
	"context"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// historyContent implements the reading calls of containerd's content service. In BuildKit, it
// gives access to blobs to which records of builds refer. Records of this server refer to no
// blobs, so its store is always empty. The blobs of the state directory are not in it: they may
// come from the contexts of other clients.
type historyContent struct {
	contentapi.UnimplementedContentServer
}

// Info implements [contentapi.ContentServer].
func (historyContent) Info(_ context.Context, req *contentapi.InfoRequest) (*contentapi.InfoResponse, error) {
	return nil, notInHistory(req.Digest)
}

// List implements [contentapi.ContentServer].
func (historyContent) List(*contentapi.ListContentRequest, contentapi.Content_ListServer) error {
	return nil
}

// Read implements [contentapi.ContentServer].
func (historyContent) Read(req *contentapi.ReadContentRequest, _ contentapi.Content_ReadServer) error {
	return notInHistory(req.Digest)
}

// notInHistory returns the error for a blob that the history does not contain.
func notInHistory(digest string) error {
	return status.Errorf(codes.NotFound, "content %q: not found in the history of builds", digest)
}
