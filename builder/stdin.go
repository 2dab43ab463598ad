package builder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/moby/buildkit/util/archiveutil"

	"slipway/solver/tree"
)

const (
	stdin        = "-"                        // names standard input
	sniffed      = 1024                       // bytes that tell an archive
	uploadURL    = "http://buildkit-session/" // where clients put what they send
	maxFromIn    = 16 << 20                   // bytes of a Dockerfile on standard input
	dockerfile   = "Dockerfile"
	ignoreSuffix = ".dockerignore" // of ignore files; in a context it is the whole name

	containerfile = "Containerfile" // what Podman and Buildah call it
)

// checkStdin returns an error if options use standard input for several purposes.
func (o *Options) checkStdin() error {
	switch {
	case o.Context == stdin && o.File == stdin:
		return errors.New("invalid argument: can't use stdin for both build context and dockerfile")
	case (o.Context == stdin || o.File == stdin) && o.Stdin == nil:
		return errors.New("there is no standard input")
	}
	return nil
}

// keeper stores the data from standard input.
type keeper interface {
	// KeepContext keeps an archive and returns the URL by which it is found.
	KeepContext(io.Reader) (url string, err error)
	// KeepDockerfile keeps a Dockerfile.
	KeepDockerfile(data []byte) error
}

// readStdin reads a Dockerfile or an archive of a context from standard input. A truncated
// one is an error.
func (p *places) readStdin(ctx context.Context, o *Options, k keeper) error {
	if o.Context != stdin && o.File != stdin {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- p.takeStdin(o, k) }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err() // a terminal may never end; nothing uses p any more
	}
}

func (p *places) takeStdin(o *Options, k keeper) error {
	in := bufio.NewReader(o.Stdin)
	head, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if o.Context == stdin && archiveutil.IsArchive(head) {
		url, err := k.KeepContext(in)
		p.opts["context"] = url
		return err
	}
	if o.Context == stdin && o.File != "" {
		return errors.New("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles")
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFromIn+1))
	if err != nil {
		return err
	}
	if len(data) > maxFromIn {
		return fmt.Errorf("is neither an archive nor a Dockerfile: it has more than %d bytes", maxFromIn)
	}
	return k.KeepDockerfile(data)
}

// stdinStore keeps standard input in the store.
type stdinStore struct {
	store *tree.Store
	*places
}

// KeepContext implements keeper.
func (k stdinStore) KeepContext(r io.Reader) (string, error) {
	b, err := k.store.Put(r)
	if err != nil {
		return "", err
	}
	url := uploadURL + b.Digest.Encoded()
	k.uploads = map[string]tree.Blob{url: b}
	return url, nil
}

// KeepDockerfile implements keeper.
func (k stdinStore) KeepDockerfile(data []byte) error {
	b, err := k.store.PutBytes(data)
	if err != nil {
		return err
	}
	dir, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: dockerfile, Node: tree.NewFile(tree.Meta{Mode: 0o644}, b)}})
	k.trees["dockerfile"] = dir
	return err
}
