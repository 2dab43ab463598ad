package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// startRegistry starts a registry that stores its blobs in dir. The result addr is the
// host:port of the registry.
func startRegistry(dir string) (addr string, stop func() error, err error) {
	blobs := filepath.Join(dir, "blobs")
	if err := os.Mkdir(blobs, 0o700); err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{
		Handler: registry.New(
			registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)),
			registry.Logger(log.New(io.Discard, "", 0)),
		),
		ReadHeaderTimeout: time.Minute,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(log.Writer(), "registry:", err)
		}
	}()
	return l.Addr().String(), func() error {
		err := server.Close()
		<-done
		return err
	}, nil
}

// PushImage pushes an image or an index to the rig's registry. The parameter repository is
// name:tag without a host.
func (r *Rig) PushImage(ctx context.Context, repository string, image remote.Taggable) error {
	ref, err := name.ParseReference(r.Addr+"/"+repository, name.Insecure)
	if err != nil {
		return err
	}
	if err := remote.Push(ref, image, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	return nil
}

// Digest returns the manifest digest for a reference to the rig's registry. The host of the
// reference is Registry or Rig.Addr.
func (r *Rig) Digest(ctx context.Context, reference string) (string, error) {
	if repository, ok := strings.CutPrefix(reference, Registry+"/"); ok {
		reference = r.Addr + "/" + repository
	}
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return "", err
	}
	desc, err := remote.Head(ref, remote.WithContext(ctx))
	if err != nil {
		return "", err
	}
	return desc.Digest.String(), nil
}
