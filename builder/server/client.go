package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	sessioncontent "github.com/moby/buildkit/session/content"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/session/upload"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"slipway/builder"
	"slipway/solver/llbsource"
	"slipway/solver/registry"
)

const (
	maxSecret = 500 << 10 // maximum size of a secret in bytes, as in BuildKit
	// loginWait is how long a build waits for the client's credentials for a registry.
	loginWait = 30 * time.Second
	// uploadHost is the host in the URLs of uploads.
	uploadHost = "buildkit-session"
)

// errNoSession is the error of a build that needs the session of its client, but has none.
var errNoSession = errors.New("the request of the build names no session of the client")

// buildClient is the client of one build. It implements [builder.Client] with the session of the
// client. Safe for concurrent use.
type buildClient struct {
	server  *Server
	session string // ID; "" if the build has no session
	user    identity
	ctx     context.Context // ends with the build; for connections to SSH agents

	mu     sync.Mutex
	caller session.Caller    // nil until the session is needed
	agents map[string]string // sockets, by ID
	closes []func() error    // close the sockets
}

var _ builder.Client = (*buildClient)(nil)

// newClient returns the client of a build. The parameter ctx ends with the build. The caller must
// call close after the build.
func (s *Server) newClient(ctx context.Context, sessionID string) *buildClient {
	return &buildClient{server: s, session: sessionID, user: identityOf(ctx), ctx: ctx, agents: map[string]string{}}
}

// close removes the sockets of SSH agents.
func (c *buildClient) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	for _, f := range c.closes {
		err = errors.Join(err, f())
	}
	c.closes = nil
	return err
}

// open returns the session of the client.
func (c *buildClient) open(ctx context.Context) (session.Caller, error) {
	if c.session == "" {
		return nil, errNoSession
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.caller != nil {
		return c.caller, nil
	}
	caller, err := c.server.sessions.get(ctx, c.session, c.user)
	if err == nil {
		c.caller = caller
	}
	return caller, err
}

// Local implements [llbsource.Client].
func (c *buildClient) Local(ctx context.Context, name string, attrs map[string]string, read func(dir string, earlier *llbsource.Reading) (*llbsource.Reading, error)) error {
	session, caller, err := c.sessionOf(ctx, attrs)
	if err != nil {
		return fmt.Errorf("local source %q: %w", name, err)
	}
	dir, release, err := c.server.received.hold(receivedKey(c.user, session, caller.SharedKey(), name, attrs))
	if err != nil {
		return err
	}
	defer release()
	kept, err := c.server.received.take(dir)
	if err != nil {
		return err
	}
	now, err := syncFiles(ctx, caller, dir, name, attrs)
	if err != nil {
		return fmt.Errorf("local source %q: %w", name, err)
	}
	if now.content || now.listing != kept.listing {
		kept = keptFiles{}
	}
	reading, err := read(dir, kept.reading)
	if err == nil && reading.Reusable() {
		c.server.received.keep(keptFiles{dir, now.listing, reading})
	}
	return err
}

// sessionOf returns the session that has the files of a local source, and its ID: the session that
// the attributes of the source name, or the session of the build. A build without a session has no
// local sources.
func (c *buildClient) sessionOf(ctx context.Context, attrs map[string]string) (id string, caller session.Caller, err error) {
	if id = attrs[pb.AttrLocalSessionID]; id == "" || c.session == "" {
		caller, err = c.open(ctx)
		return c.session, caller, err
	}
	caller, err = c.server.sessions.get(ctx, id, c.user)
	return id, caller, err
}

// Upload implements [llbsource.Client].
func (c *buildClient) Upload(ctx context.Context, address string) (io.ReadCloser, bool, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host != uploadHost {
		return nil, false, nil //nolint:nilerr // the download reports an invalid URL
	}
	caller, err := c.open(ctx)
	if err != nil {
		return nil, false, err
	}
	up, err := upload.New(ctx, caller, u)
	if err != nil {
		return nil, false, err
	}
	r, w := io.Pipe()
	go func() {
		_, err := up.WriteTo(w)
		w.CloseWithError(err)
	}()
	return r, true, nil
}

// Secret implements [llbsource.Client].
func (c *buildClient) Secret(ctx context.Context, id string) ([]byte, bool, error) {
	if c.session == "" {
		return nil, false, nil
	}
	caller, err := c.open(ctx)
	if err != nil {
		return nil, false, err
	}
	data, err := secrets.GetSecret(ctx, caller, id)
	switch {
	case errors.Is(err, secrets.ErrNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("secret %s: %w", id, err)
	case len(data) > maxSecret:
		return nil, false, fmt.Errorf("secret %s: has %d bytes, more than %d", id, len(data), maxSecret)
	}
	return data, true, nil
}

// Agent implements [llbsource.Client].
func (c *buildClient) Agent(ctx context.Context, id string) (string, bool, error) {
	if c.session == "" {
		return "", false, nil
	}
	caller, err := c.open(ctx)
	if err != nil {
		return "", false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if socket, ok := c.agents[id]; ok {
		return socket, true, nil
	}
	if err := sshforward.CheckSSHID(ctx, caller, id); err != nil {
		if code := grpcerrors.Code(err); code == codes.Unimplemented || code == codes.NotFound || code == codes.Unknown {
			return "", false, nil // BuildKit's provider has no code for an unknown ID
		}
		return "", false, fmt.Errorf("SSH agent %q: %w", id, err)
	}
	socket, closeSocket, err := sshforward.MountSSHSocket(c.ctx, caller, sshforward.SocketOpt{ID: id, UID: os.Geteuid(), GID: os.Getegid(), Mode: 0o600})
	if err != nil {
		return "", false, fmt.Errorf("SSH agent %q: %w", id, err)
	}
	c.agents[id] = socket
	c.closes = append(c.closes, func() error { return errors.Join(closeSocket(), os.Remove(filepath.Dir(socket))) })
	return socket, true, nil
}

// Blob implements [llbsource.Client].
func (c *buildClient) Blob(ctx context.Context, store string, d digest.Digest) (io.ReadCloser, error) {
	caller, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	r, err := sessioncontent.NewCallerStore(caller, "oci:"+store).ReaderAt(ctx, ocispecs.Descriptor{Digest: d})
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{content.NewReader(r), r}, nil
}

// CacheStore implements [builder.Client].
func (c *buildClient) CacheStore(ctx context.Context, dir string) (content.Store, error) {
	caller, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	return sessioncontent.NewCallerStore(caller, "local:"+dir), nil
}

// Login implements [builder.Client].
func (c *buildClient) Login(ctx context.Context, host string) (registry.Login, error) {
	if c.session == "" {
		return registry.Login{}, nil
	}
	caller, err := c.open(ctx)
	if err != nil {
		return registry.Login{}, err
	}
	if host == "docker.io" {
		host = "registry-1.docker.io" // the name that clients know
	}
	ctx, cancel := context.WithTimeout(caller.Context(ctx), loginWait)
	defer cancel()
	resp, err := auth.NewAuthClient(caller.Conn()).Credentials(ctx, &auth.CredentialsRequest{Host: host})
	if grpcerrors.Code(err) == codes.Unimplemented {
		return registry.Login{}, nil
	}
	if err != nil {
		return registry.Login{}, err
	}
	return registry.Login{User: resp.Username, Secret: resp.Secret}, nil
}
