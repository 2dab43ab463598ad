package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"runtime/debug"
	"sync"

	"github.com/sourcegraph/jsonrpc2"

	"slipway/diag"
	"slipway/format"
	"slipway/lint"
	"slipway/parser"
	"slipway/source"
)

// Options configures [Serve].
type Options struct {
	Version string // the version of the server

	// Format lays out a file. If it is nil, format.Format is used.
	Format func(context.Context, *parser.File, format.Options) ([]diag.Edit, error)
	// Settings returns the layout for the file with the given path, based on the defaults. If it
	// is nil, the defaults apply.
	Settings func(path string, defaults format.Options) (format.Options, error)
	// Checks returns the checks of the file with the given path and text. If it is nil, only
	// BuildKit's build checks run.
	Checks func(path string, f *source.File) (Checks, error)
	// Log receives errors of the connection. It may be nil.
	Log io.Writer
}

// Checks configures how a file is checked.
type Checks struct {
	Linter   *lint.Linter // nil for BuildKit's build checks
	Options  lint.Options
	Excluded bool // whether the configuration excludes the file, so that it has no findings
}

// ErrNoShutdown is the error for a client that ends the session without the request shutdown.
var ErrNoShutdown = errors.New("the client exited without a shutdown request")

// Serve serves a client until it exits or closes the connection. It returns nil after an orderly
// shutdown.
func Serve(ctx context.Context, rwc io.ReadWriteCloser, opt Options) error {
	s := &server{opt: opt, documents: map[string]*document{}, cancels: map[string]context.CancelFunc{}, exited: make(chan struct{})}
	if s.opt.Log == nil {
		s.opt.Log = io.Discard
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.ready.Lock()
	s.conn = jsonrpc2.NewConn(ctx, newStream(rwc), s, jsonrpc2.SetLogger(log.New(s.opt.Log, "", 0)))
	s.ready.Unlock()
	select {
	case <-s.conn.DisconnectNotify():
	case <-s.exited:
		_ = s.conn.Close()
	}
	s.stop()
	s.running.Wait()
	if err := context.Cause(ctx); err != nil && s.phase() != shutDown {
		return nil // the caller ends the session
	}
	if s.phase() != shutDown {
		return ErrNoShutdown
	}
	return nil
}

// phase is the state of a session.
type phase int

const (
	starting phase = iota
	initialized
	shutDown
)

// server is a session with a client.
type server struct {
	opt     Options
	ready   sync.Mutex // held until conn is set
	conn    *jsonrpc2.Conn
	exited  chan struct{}
	running sync.WaitGroup // requests that are being answered

	// Set by initialize, before any document exists.
	encoding string
	pull     bool // whether the client asks for diagnostics
	refresh  bool // whether the client asks again if the server wants it
	related  bool // whether the client shows related locations
	nested   bool // whether the client shows trees of symbols
	edits    workspaceEditSupport

	publishing sync.Mutex // orders diagnostics

	mu        sync.Mutex
	state     phase
	stopped   bool // whether the session has ended
	documents map[string]*document
	cancels   map[string]context.CancelFunc // of running requests, by id
}

func (s *server) phase() phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// stop stops the timers of all documents and cancels all requests.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, d := range s.documents {
		d.stop()
	}
	for _, cancel := range s.cancels {
		cancel()
	}
}

// Handle implements [jsonrpc2.Handler]. The connection calls it for each message in order.
func (s *server) Handle(ctx context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
	s.ready.Lock()
	s.ready.Unlock() //nolint:staticcheck // waits until Serve has set conn
	defer s.recoverPanic(ctx)
	if req.Notif {
		s.notification(ctx, req)
		return
	}
	switch state := s.phase(); {
	case state == shutDown:
		s.fail(ctx, req.ID, codeInvalidRequest, "the server is shut down")
	case state == starting && req.Method != "initialize":
		s.fail(ctx, req.ID, codeNotInitialized, "the server is not initialized")
	case state != starting && req.Method == "initialize":
		s.fail(ctx, req.ID, codeInvalidRequest, "the server is initialized already")
	default:
		s.request(ctx, req)
	}
}

// answer answers a request about a document concurrently, with the snapshot that the document has
// now.
func (s *server) answer(ctx context.Context, req *jsonrpc2.Request, doc documentID, f func(context.Context, *snapshot) (any, error)) {
	s.mu.Lock()
	d := s.documents[doc.URI]
	if s.stopped {
		s.mu.Unlock()
		return // the connection is closed
	}
	if d == nil {
		s.mu.Unlock()
		s.fail(ctx, req.ID, codeInvalidParams, fmt.Sprintf("the document %q is not open", doc.URI))
		return
	}
	snap := d.snapshot
	ctx, cancel := context.WithCancel(ctx)
	key := idKey(req.ID)
	s.cancels[key] = cancel
	s.running.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.running.Done()
		defer func() {
			cancel()
			s.mu.Lock()
			delete(s.cancels, key)
			s.mu.Unlock()
		}()
		result, err := s.guard(func() (any, error) { return f(ctx, snap) })
		if ctx.Err() != nil {
			err = &jsonrpc2.Error{Code: codeCancelled, Message: "the request was cancelled"}
		}
		s.reply(context.WithoutCancel(ctx), req.ID, result, err)
	}()
}

// guard calls f and converts a panic to an error.
func (s *server) guard(f func() (any, error)) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(s.opt.Log, "panic: %v\n%s", r, debug.Stack())
			err = &jsonrpc2.Error{Code: codeInternalError, Message: fmt.Sprintf("internal error: %v", r)}
		}
	}()
	return f()
}

// recoverPanic reports a panic to the client, so that the server goes on.
func (s *server) recoverPanic(ctx context.Context) {
	if r := recover(); r != nil {
		fmt.Fprintf(s.opt.Log, "panic: %v\n%s", r, debug.Stack())
		s.log(ctx, logError, fmt.Sprintf("internal error: %v", r))
	}
}

// cancel cancels the request with the given id.
func (s *server) cancel(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.cancels[id]; cancel != nil {
		cancel()
	}
}

// idKey returns the JSON text of an id.
func idKey(id jsonrpc2.ID) string {
	data, err := json.Marshal(id)
	if err != nil {
		return ""
	}
	return string(data)
}

// decode parses the parameters of a message. If they are invalid, it answers the request.
func (s *server) decode(ctx context.Context, req *jsonrpc2.Request, params any) bool {
	var err error
	if req.Params == nil {
		err = errors.New("no parameters")
	} else {
		err = json.Unmarshal(*req.Params, params)
	}
	switch {
	case err == nil:
		return true
	case req.Notif:
		s.log(ctx, logWarning, fmt.Sprintf("%s: %v", req.Method, err))
	default:
		s.fail(ctx, req.ID, codeInvalidParams, fmt.Sprintf("%s: %v", req.Method, err))
	}
	return false
}

// reply answers a request with a result or an error.
func (s *server) reply(ctx context.Context, id jsonrpc2.ID, result any, err error) {
	resp := &jsonrpc2.Response{ID: id}
	var known *jsonrpc2.Error
	switch {
	case errors.As(err, &known):
		resp.Error = known
	case err != nil:
		resp.Error = &jsonrpc2.Error{Code: codeRequestFailed, Message: err.Error()}
	default:
		if err := resp.SetResult(result); err != nil {
			resp.Error = &jsonrpc2.Error{Code: codeInternalError, Message: err.Error()}
		}
	}
	_ = s.conn.SendResponse(ctx, resp) // fails if the client is gone
}

func (s *server) fail(ctx context.Context, id jsonrpc2.ID, code int64, text string) {
	s.reply(ctx, id, nil, &jsonrpc2.Error{Code: code, Message: text})
}

// notify sends a notification to the client.
func (s *server) notify(ctx context.Context, method string, params any) {
	_ = s.conn.Notify(ctx, method, params) // fails if the client is gone
}

// call sends a request without parameters to the client, and ignores the answer.
func (s *server) call(ctx context.Context, method string) {
	_, _ = s.conn.DispatchCall(ctx, method, nil) // fails if the client is gone
}

// log sends a message to the log of the client.
func (s *server) log(ctx context.Context, kind int, text string) {
	s.notify(ctx, "window/logMessage", logParams{kind, text})
}
