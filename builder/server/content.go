package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxChunk is the maximum size in bytes of the data in a response of [historyContent.Read].
const maxChunk = 1 << 20

// historyContent implements the reading calls of containerd's content service. As in BuildKit, it
// gives access to the blobs to which records of builds refer. It does not contain the blobs of the
// state directory, because they may come from the contexts of other clients.
type historyContent struct {
	contentapi.UnimplementedContentServer
	history *history
}

// Info implements [contentapi.ContentServer].
func (c historyContent) Info(_ context.Context, req *contentapi.InfoRequest) (*contentapi.InfoResponse, error) {
	_, d, ok := c.history.blob(req.Digest)
	if !ok {
		return nil, notInHistory(req.Digest)
	}
	return &contentapi.InfoResponse{Info: &contentapi.Info{Digest: d.Digest, Size: d.Size}}, nil
}

// List implements [contentapi.ContentServer]. It lists each blob once, and ignores filters.
func (c historyContent) List(_ *contentapi.ListContentRequest, stream contentapi.Content_ListServer) error {
	resp := &contentapi.ListContentResponse{}
	for _, d := range c.history.blobs() {
		resp.Info = append(resp.Info, &contentapi.Info{Digest: d.Digest, Size: d.Size})
	}
	return stream.Send(resp)
}

// Read implements [contentapi.ContentServer].
func (c historyContent) Read(req *contentapi.ReadContentRequest, stream contentapi.Content_ReadServer) error {
	path, d, ok := c.history.blob(req.Digest)
	if !ok {
		return notInHistory(req.Digest)
	}
	if req.Offset < 0 || req.Offset > d.Size || req.Size < 0 {
		return status.Errorf(codes.OutOfRange, "content %q: offset %d, size %d: the blob has %d bytes", req.Digest, req.Offset, req.Size, d.Size)
	}
	end := d.Size
	if req.Size > 0 {
		end = min(end, req.Offset+req.Size)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return notInHistory(req.Digest) // another client has deleted the record
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return sendBlob(stream, f, req.Offset, end)
}

// sendBlob sends the bytes of f between two offsets.
func sendBlob(stream contentapi.Content_ReadServer, f io.ReaderAt, offset, end int64) error {
	for offset < end {
		chunk := make([]byte, min(maxChunk, end-offset))
		n, err := f.ReadAt(chunk, offset)
		if n < len(chunk) {
			return err
		}
		if err := stream.Send(&contentapi.ReadContentResponse{Offset: offset, Data: chunk}); err != nil {
			return err
		}
		offset += int64(n)
	}
	return nil
}

// notInHistory returns the error for a blob that the history does not contain.
func notInHistory(digest string) error {
	return status.Errorf(codes.NotFound, "content %q: not found in the history of builds", digest)
}

// addBlob stores a blob in the directory of a build, and returns its descriptor for the record.
func (h *history) addBlob(ref, mediaType string, data []byte) (*controlapi.Descriptor, error) {
	d := &controlapi.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data).String(), Size: int64(len(data))}
	if err := os.MkdirAll(h.path(ref, blobDir), 0o700); err != nil {
		return nil, err
	}
	return d, os.WriteFile(h.blobPath(ref, d), data, 0o600)
}

// blobDir is the subdirectory with the blobs of a record.
const blobDir = "blobs"

// blobPath returns the path of a blob to which a record refers.
func (h *history) blobPath(ref string, d *controlapi.Descriptor) string {
	return h.path(ref, blobDir+"/"+digest.Digest(d.Digest).Encoded())
}

// blob returns the path and the descriptor of a blob. If no record refers to the blob, ok is
// false.
func (h *history) blob(digest string) (path string, d *controlapi.Descriptor, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.records {
		for _, d := range blobsOf(r) {
			if d.Digest == digest {
				return h.blobPath(r.Ref, d), d, true
			}
		}
	}
	return "", nil, false
}

// blobs returns the blobs of all records, sorted by digest.
func (h *history) blobs() []*controlapi.Descriptor {
	h.mu.Lock()
	defer h.mu.Unlock()
	byDigest := map[string]*controlapi.Descriptor{}
	for _, r := range h.records {
		for _, d := range blobsOf(r) {
			byDigest[d.Digest] = d
		}
	}
	var list []*controlapi.Descriptor
	for _, d := range slices.Sorted(maps.Keys(byDigest)) {
		list = append(list, byDigest[d])
	}
	return list
}

// blobsOf returns the descriptors of the blobs of a record.
func blobsOf(r *controlapi.BuildHistoryRecord) []*controlapi.Descriptor {
	list := []*controlapi.Descriptor{r.ExternalError, r.Trace}
	list = append(list, r.Result.GetAttestations()...)
	for _, info := range r.Results {
		list = append(list, info.GetAttestations()...)
	}
	return slices.DeleteFunc(list, func(d *controlapi.Descriptor) bool { return d == nil || digest.Digest(d.Digest).Validate() != nil })
}
