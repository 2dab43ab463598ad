// Package fakeregistry implements an image registry for tests. The registry can require
// authentication.
package fakeregistry

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Auth is the authentication method that a registry requires.
type Auth int

// Authentication methods of a registry.
const (
	None Auth = iota
	Basic
	Token
)

// Names of the two users of a registry, and the password that both users have.
const (
	User     = "alice"
	Reader   = "bob" // may pull, but not push
	Password = "secret"
)

// Server is an image registry that stores images in memory. Safe for concurrent use.
type Server struct {
	*httptest.Server
	Host string
	Auth Auth
	// Before is called with each request. It returns true if it has written the response. If
	// Before returns false or is nil, the registry answers the request.
	Before func(http.ResponseWriter, *http.Request) bool

	mu       sync.Mutex
	requests []string
}

// Start starts a registry over HTTP and closes it when the test ends.
func Start(t testing.TB, auth Auth) *Server { return start(t, auth, httptest.NewServer) }

// StartTLS starts a registry over HTTPS and closes it when the test ends.
func StartTLS(t testing.TB, auth Auth) *Server { return start(t, auth, httptest.NewTLSServer) }

func start(t testing.TB, auth Auth, listen func(http.Handler) *httptest.Server) *Server {
	t.Helper()
	s := &Server{Auth: auth}
	blobs := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	s.Server = listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		switch {
		case s.Before != nil && s.Before(w, r):
		case r.URL.Path == "/token":
			token(w, r)
		case !s.authorize(w, r):
		case r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/uploads/"):
			w.WriteHeader(http.StatusNoContent)
		default:
			blobs.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	s.Host = s.URL[strings.Index(s.URL, "://")+len("://"):]
	return s
}

// TakeRequests returns the requests received since its last call, in the form "METHOD PATH".
func (s *Server) TakeRequests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := s.requests
	s.requests = nil
	return requests
}

// authorize reports whether a request is authorized. If not, it writes an error response.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) bool {
	user, password, basic := r.BasicAuth()
	status := http.StatusUnauthorized
	switch s.Auth {
	case None:
		return true
	case Basic:
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		if !basic || password != Password {
			break
		}
		if status = http.StatusForbidden; user == User || r.Method == http.MethodGet || r.Method == http.MethodHead {
			return true
		}
	case Token:
		scope := ""
		if repo, _, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/"); ok {
			scope = `,scope="repository:` + repo + `:pull"`
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="test"`+scope)
		rights := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if strings.Contains(rights, "push") || reads && strings.Contains(rights, "pull") {
			return true
		}
	}
	answer(w, status, "DENIED", "requested access to the\nresource is denied")
	return false
}

// token writes a response with a token that grants the access rights of the request's user.
func token(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if r.Method == http.MethodPost {
		user, password = r.FormValue("username"), r.FormValue("password")
	}
	if user == "" {
		_ = json.NewEncoder(w).Encode(map[string]string{"token": "anonymous"})
		return
	}
	if password != Password {
		answer(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
		return
	}
	rights := "pull"
	if user == User {
		rights = "pull,push"
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"token": rights, "access_token": rights})
}

func answer(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}
