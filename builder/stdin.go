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
	stdin        = "-"                        // value of an option that means standard input or output
	sniffSize    = 1024                       // number of bytes that are examined to recognize an archive
	uploadURL    = "http://buildkit-session/" // prefix of the URLs of uploads, as in BuildKit's clients
	maxStdinFile = 16 << 20                   // maximum size in bytes of a Dockerfile on standard input
	dockerfile   = "Dockerfile"
	ignoreSuffix = ".dockerignore" // suffix of the names of ignore files, and full name of the ignore file in a context

	containerfile = "Containerfile" // name of a Dockerfile for Podman and Buildah
)

// checkStdin returns an error if both the context and the Dockerfile are standard input,
// or if one of them is standard input and o.Stdin is nil.
func (o *Options) checkStdin() error {
	switch {
	case o.Context == stdin && o.File == stdin:
		return errors.New("invalid argument: can't use stdin for both build context and dockerfile")
	case (o.Context == stdin || o.File == stdin) && o.Stdin == nil:
		return errors.New("there is no standard input")
	}
	return nil
}

// stdinKeeper stores a build context or a Dockerfile that comes from standard input, so that
// the frontend can read it.
type stdinKeeper interface {
	// KeepContext stores an archive and returns a URL for it, which the frontend gets as
	// the context.
	KeepContext(io.Reader) (url string, err error)
	// KeepDockerfile stores a Dockerfile.
	KeepDockerfile(data []byte) error
}

// readStdin reads the Dockerfile or the archive of the context from standard input, if the
// options request it. It stores the data with the keeper k. A truncated archive is an
// error.
func (p *inputs) readStdin(ctx context.Context, o *Options, k stdinKeeper) error {
	if o.Context != stdin && o.File != stdin {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- p.parseStdin(o, k) }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err() // the goroutine may block on a terminal forever; the build no longer uses p
	}
}

func (p *inputs) parseStdin(o *Options, k stdinKeeper) error {
	in := bufio.NewReader(o.Stdin)
	head, err := in.Peek(sniffSize)
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
	data, err := io.ReadAll(io.LimitReader(in, maxStdinFile+1))
	if err != nil {
		return err
	}
	if len(data) > maxStdinFile {
		return fmt.Errorf("is neither an archive nor a Dockerfile: it has more than %d bytes", maxStdinFile)
	}
	return k.KeepDockerfile(data)
}

// stdinStore is a [stdinKeeper] for a build in this process. It stores data in the content
// store.
type stdinStore struct {
	store *tree.Store
	*inputs
}

// KeepContext implements [stdinKeeper].
func (k stdinStore) KeepContext(r io.Reader) (string, error) {
	b, err := k.store.Put(r)
	if err != nil {
		return "", err
	}
	url := uploadURL + b.Digest.Encoded()
	k.uploads = map[string]tree.Blob{url: b}
	return url, nil
}

// KeepDockerfile implements [stdinKeeper].
func (k stdinStore) KeepDockerfile(data []byte) error {
	b, err := k.store.PutBytes(data)
	if err != nil {
		return err
	}
	dir, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: dockerfile, Node: tree.NewFile(tree.Meta{Mode: 0o644}, b)}})
	k.trees["dockerfile"] = dir
	return err
}
