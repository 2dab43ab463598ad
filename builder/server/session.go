package server

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/grpchijack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// sessionHeader is the header with which a client sends the ID of its session.
const sessionHeader = "x-docker-expose-session-uuid"

// sessionWait is how long a build waits for the session that its request names.
const sessionWait = 5 * time.Second

// sessions are the sessions of the connected clients. A session can be used only by requests of
// the user who opened it. Its ID is a secret of the client, too. Safe for concurrent use.
type sessions struct {
	manager *session.Manager

	mu     sync.Mutex
	owners map[string]identity // of open sessions, by ID
}

func newSessions() (*sessions, error) {
	m, err := session.NewManager()
	if err != nil {
		return nil, err
	}
	return &sessions{manager: m, owners: map[string]identity{}}, nil
}

// Session implements [controlapi.ControlServer]. It returns when the session ends.
func (s *Server) Session(stream controlapi.Control_SessionServer) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	// A hijacked stream cannot be refused any more: closing it waits for the client.
	release, err := s.sessions.claim(metadata.ValueFromIncomingContext(ctx, sessionHeader), identityOf(ctx))
	if err != nil {
		return err
	}
	defer release()
	conn, closed, headers := grpchijack.Hijack(stream)
	defer conn.Close()
	go func() {
		select {
		case <-closed:
			cancel(context.Canceled)
		case <-ctx.Done():
		}
	}()
	return s.sessions.manager.HandleConn(ctx, conn, headers)
}

// claim registers a session of the given user, until the caller calls release. The parameter ids
// contains the values of the header with the ID of the session. If the ID is in use, claim returns
// an error. It refuses an ID with a colon: the session manager ignores everything before the colon,
// so a request with the ID x:ID would get the session ID of another user.
func (s *sessions) claim(ids []string, owner identity) (release func(), err error) {
	if len(ids) != 1 || ids[0] == "" {
		return nil, status.Errorf(codes.InvalidArgument, "session: the header %s must have one value, not %d", sessionHeader, len(ids))
	}
	id := ids[0]
	if strings.Contains(id, ":") {
		return nil, status.Errorf(codes.InvalidArgument, "session: the ID %q contains a colon", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.owners[id]; ok {
		return nil, status.Error(codes.AlreadyExists, "session: the ID is in use")
	}
	s.owners[id] = owner
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.owners, id)
	}, nil
}

// get returns the session with an ID. It waits for a short time until the client has opened the
// session. If the session belongs to another user, get returns an error.
func (s *sessions) get(ctx context.Context, id string, user identity) (session.Caller, error) {
	ctx, cancel := context.WithTimeout(ctx, sessionWait)
	defer cancel()
	c, err := s.manager.Get(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("the client has no open session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if owner, ok := s.owners[id]; !ok || !owner.is(user) {
		return nil, status.Error(codes.PermissionDenied, "the session of the build belongs to another client")
	}
	return c, nil
}
