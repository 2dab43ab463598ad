package llbsource

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
)

// Client gives a build access to the files and secrets of a client in another process, for
// example the client of a server. Safe for concurrent use.
type Client interface {
	// Local copies the selected files of a local source to this machine and calls read with
	// the path of the directory that contains exactly these files. The directory must not be
	// used after read returns. If the files are the same as at an earlier call, the parameter
	// earlier may be what read returned then; otherwise, it is nil. The parameter attrs contains
	// the attributes of the source operation, such as the include patterns.
	Local(ctx context.Context, name string, attrs map[string]string, read func(dir string, earlier *Reading) (*Reading, error)) error
	// Upload opens a file that the client offers under a URL. If the client does not offer
	// this URL, ok is false.
	Upload(ctx context.Context, url string) (r io.ReadCloser, ok bool, err error)
	// Secret returns the content of a secret, and reports whether the secret exists.
	Secret(ctx context.Context, id string) (data []byte, ok bool, err error)
	// Agent returns the path of a socket that is connected to an SSH agent of the client, and
	// reports whether the agent exists.
	Agent(ctx context.Context, id string) (socket string, ok bool, err error)
	// Blob opens a blob in an OCI layout of the client. The parameter store is the ID of the
	// layout. The caller must verify the digest.
	Blob(ctx context.Context, store string, d digest.Digest) (io.ReadCloser, error)
}

// secret returns the content of a secret of the build, and reports whether it exists.
func (s *Sources) secret(ctx context.Context, id string) ([]byte, bool, error) {
	if s.Client != nil {
		return s.Client.Secret(ctx, id)
	}
	data, ok := s.Secrets[id]
	return data, ok, nil
}

// agent returns the socket of an SSH agent of the build, and reports whether the agent exists.
func (s *Sources) agent(ctx context.Context, id string) (string, bool, error) {
	if s.Client != nil {
		return s.Client.Agent(ctx, id)
	}
	socket, ok := s.Agents[id]
	return socket, ok, nil
}
