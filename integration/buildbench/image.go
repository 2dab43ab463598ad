package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"slipway/integration/rig"
)

// largeImage is the name of a base image that contains many files.
const largeImage = "large"

// layoutImage describes an image in an OCI layout.
type layoutImage struct {
	dir    string
	digest string
}

// newLargeImage creates an image from busybox by adding a layer of n files. It pushes the
// image to the registry of r, and also writes it to an OCI layout.
func newLargeImage(ctx context.Context, r *rig.Rig, n int) (*layoutImage, error) {
	ref, err := name.ParseReference(r.Addr+"/library/busybox:latest", name.Insecure)
	if err != nil {
		return nil, err
	}
	base, err := remote.Image(ref, remote.WithContext(ctx), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		return nil, err
	}
	content, err := largeLayer(n)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return nil, err
	}
	if err := r.PushImage(ctx, "library/"+largeImage+":latest", image); err != nil {
		return nil, err
	}
	dir, err := r.TempDir("layout")
	if err != nil {
		return nil, err
	}
	l, err := layout.Write(filepath.Join(dir, "image"), empty.Index)
	if err != nil {
		return nil, err
	}
	if err := l.AppendImage(image, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "latest"})); err != nil {
		return nil, err
	}
	digest, err := image.Digest()
	return &layoutImage{dir: string(l), digest: digest.String()}, err
}

// largeLayer returns a tar archive of n files of 1 to 11 KB. Each directory contains 10 files.
func largeLayer(n int) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range n {
		content := strings.Repeat(fmt.Sprintf("line of file %d\n", i), 50+37*i%500)
		h := &tar.Header{Name: fmt.Sprintf("files/%d/%d", i/10, i), Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1_700_000_000, 0)}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// sink is the blob storage of a registry that accepts every blob but stores none. Each push
// therefore transfers all blobs.
type sink struct{}

// Get implements [registry.BlobHandler].
func (sink) Get(context.Context, string, v1.Hash) (io.ReadCloser, error) {
	return nil, registry.ErrNotFound
}

// Stat implements [registry.BlobStatHandler].
func (sink) Stat(context.Context, string, v1.Hash) (int64, error) { return 0, registry.ErrNotFound }

// Put implements [registry.BlobPutHandler].
func (sink) Put(_ context.Context, _ string, _ v1.Hash, r io.ReadCloser) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// startSink starts a registry that stores no blobs. It returns the registry's address as
// host:port.
func startSink() (addr string, stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{
		Handler:           registry.New(registry.WithBlobHandler(sink{}), registry.Logger(log.New(io.Discard, "", 0))),
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = s.Serve(l) }() // returns when stop closes the server
	return l.Addr().String(), s.Close, nil
}
