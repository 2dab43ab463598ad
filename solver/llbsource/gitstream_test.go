package llbsource

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"slipway/internal/connserver"
	"slipway/internal/fakegit"
	"slipway/internal/slowtest"
)

// silent is a connection handler for a test server that reads every request and never
// answers.
func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// daemonRequest returns the request that a git:// client sends over the connection c.
func daemonRequest(c net.Conn) string {
	s := pktline.NewScanner(io.LimitReader(c, int64(len("0000git-upload-pack /r.git\x00host=")+len(c.LocalAddr().String())+1)))
	s.Scan()
	return string(s.Bytes())
}

// TestGitDaemon checks that a fetch over git:// succeeds and sends the repository and the
// host in the protocol's format.
func TestGitDaemon(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	r.Commit("refs/heads/main", committed, one("x"))
	asked := make(chan string, 9)
	addr := connserver.Serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		asked <- daemonRequest(c)
		_ = r.ServeUploadPack(t.Context(), c)
		_ = c.(*net.TCPConn).CloseWrite()
		silent(c)
	})
	s := newSources(t)
	if got, _ := fetched(t, s, gitOp("git://"+addr+"/r.git", "")); !slices.Equal(got, []string{"f file 644 x"}) {
		t.Errorf("files %q", got)
	}
	if got, want := <-asked, "git-upload-pack /r.git\x00host="+addr+"\x00"; got != want {
		t.Errorf("asked for %q, want %q", got, want)
	}
}

// closedWriter is the connection to a server that does not read any more.
type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, io.EOF }
func (closedWriter) Close() error              { return nil }

// TestGitEarlyAnswer checks that a fetch reads the response of a server that answered, and
// closed the connection, before the whole request was sent. Without a response, UploadPack
// returns the error of sending the request.
func TestGitEarlyAnswer(t *testing.T) {
	req := packp.NewUploadPackRequest()
	req.Wants = append(req.Wants, plumbing.NewHash(strings.Repeat("1", 40)))
	for answer, want := range map[string]error{"0008NAK\nPACK": nil, "": io.EOF} {
		g := &gitStream{timer: newStallTimer(t.Context(), "host", 0), in: closedWriter{}, out: strings.NewReader(answer), conn: closedWriter{}}
		resp, err := g.UploadPack(t.Context(), req)
		if !errors.Is(err, want) {
			t.Fatalf("%q: error %v, want %v", answer, err, want)
		}
		if want != nil {
			continue
		}
		if pack, err := io.ReadAll(resp); string(pack) != "PACK" || err != nil {
			t.Errorf("pack %q, error %v", pack, err)
		}
	}
}

// TestGitDaemonRefuses checks that the error includes the message of a git:// server on
// one line.
func TestGitDaemonRefuses(t *testing.T) {
	for answer, want := range map[string]string{
		"002eERR access denied or\nnot exported: /r.git\x1b": `the server answers "access denied or not exported: /r.git"`,
		"":         "the server closed the connection without an answer",
		"garbage!": "invalid",
		"0000":     "remote repository is empty",
	} {
		addr := connserver.Serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
			daemonRequest(c)
			_, _ = io.WriteString(c, answer)
		})
		_, err := newSources(t).Open(t.Context(), gitOp("git://"+addr+"/r.git", ""), nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q: error %v, want %s", answer, err, want)
		}
	}
}

// TestSilentGit checks that opening a git source fails after the time limit if the server
// stops sending at any point, and at once if the build is canceled.
func TestSilentGit(t *testing.T) {
	slowtest.Skip(t, "waits for a timeout")
	r := fakegit.Start(t).Repository(t, "/r.git")
	r.Commit("refs/heads/main", committed, one("x"))
	key, user := newKey(t)
	_, host := newKey(t)
	signed := func(addr string) []string {
		return []string{pb.AttrMountSSHSock, "default", pb.AttrKnownSSHHosts, knownhosts.Line([]string{addr}, host.PublicKey()) + "\n"}
	}
	keys := serveAgent(t, key, nil)
	deaf := connserver.Serve(t, "unix", t.TempDir()+"/agent", silent)
	quiet := connserver.Serve(t, "tcp", "127.0.0.1:0", silent)
	login := serveSSH(t, r, host, user.PublicKey())
	cut := connserver.Serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		daemonRequest(c)
		_ = r.ServeUploadPack(t.Context(), struct {
			io.Reader
			io.Writer
		}{strings.NewReader(""), c}) // only the list of refs
		silent(c)
	})
	for about, tc := range map[string]struct{ url, agent string }{
		"git":                  {"git://" + quiet + "/r.git", ""},
		"git after the refs":   {"git://" + cut + "/r.git", ""},
		"ssh":                  {"ssh://git@" + quiet + "/r.git", keys},
		"http":                 {"http://" + quiet + "/r.git", ""},
		"ssh, agent is silent": {"ssh://git@" + login + "/r.git", deaf},
	} {
		s := newSources(t)
		s.Stall, s.Agents = 200*time.Millisecond, map[string]string{"default": tc.agent}
		s.HTTP = &http.Client{Transport: Stall(http.DefaultTransport, s.Stall)}
		addr := strings.SplitN(strings.TrimPrefix(tc.url, "ssh://git@"), "/", 2)[0]
		src, err := s.Open(t.Context(), gitOp(tc.url, "", signed(addr)...), nil)
		if err == nil {
			_, err = src.Fetch(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), " sent nothing for 200ms") {
			t.Errorf("%s: error %v", about, err)
		}
	}
}

// serveAgent starts an SSH agent with a key and returns the path of its socket. If the
// channel ended is not nil, serveAgent sends a value to it when a client has disconnected.
func serveAgent(t *testing.T, key any, ended chan<- struct{}) string {
	t.Helper()
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	return connserver.Serve(t, "unix", t.TempDir()+"/agent", func(c net.Conn) {
		_ = agent.ServeAgent(ring, c)
		if ended != nil {
			ended <- struct{}{}
		}
	})
}

// TestAgentConnection checks that each login closes its connection to the SSH agent.
func TestAgentConnection(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	r.Commit("refs/heads/main", committed, one("x"))
	key, user := newKey(t)
	_, host := newKey(t)
	addr := serveSSH(t, r, host, user.PublicKey())
	ended := make(chan struct{})
	s := newSources(t)
	s.Agents = map[string]string{"default": serveAgent(t, key, ended)}
	fetched(t, s, gitOp("ssh://git@"+addr+"/r.git", "", pb.AttrMountSSHSock, "default",
		pb.AttrKnownSSHHosts, knownhosts.Line([]string{addr}, host.PublicKey())+"\n"))
	<-ended // the connection to resolve the ref
	<-ended // the connection to fetch the pack
}

// TestGitSSHRefuses checks that the error quotes what the SSH server of a repository writes
// to standard error when it refuses a fetch.
func TestGitSSHRefuses(t *testing.T) {
	key, _ := newKey(t)
	_, host := newKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(host)
	commands := make(chan string, 1)
	addr := connserver.Serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		_, channels, requests, err := ssh.NewServerConn(c, config)
		if err != nil {
			return
		}
		go ssh.DiscardRequests(requests)
		for ch := range channels {
			channel, requests, err := ch.Accept()
			if err != nil {
				return
			}
			for req := range requests {
				commands <- string(req.Payload[4:])
				_ = req.Reply(true, nil)
				_, _ = io.WriteString(channel.Stderr(), "ERROR: Repository\nnot found.\n"+strings.Repeat("x", 10_000))
				_, _ = channel.SendRequest("exit-status", false, []byte{0, 0, 0, 1})
				channel.Close()
			}
		}
	})
	s := newSources(t)
	s.Agents = map[string]string{"default": serveAgent(t, key, nil)}
	_, err := s.Open(t.Context(), gitOp("ssh://git@"+addr+"/it's!.git", "", pb.AttrMountSSHSock, "default",
		pb.AttrKnownSSHHosts, knownhosts.Line([]string{addr}, host.PublicKey())+"\n"), nil)
	if err == nil || !strings.Contains(err.Error(), `the server answers "ERROR: Repository not found. xxx`) || len(err.Error()) > 400 {
		t.Errorf("error %v", err)
	}
	if got := <-commands; got != `git-upload-pack '/it'\''s'\!'.git'` {
		t.Errorf("started %s", got)
	}
}

// TestGitErrorPages checks the text of the error for each HTTP status code from a git
// server. It must include a hint if a token may be missing. The body of such a response
// must not be read.
func TestGitErrorPages(t *testing.T) {
	for status, want := range map[int]string{
		401: "authentication required (a token is a secret: --secret id=GIT_AUTH_TOKEN)",
		403: "access denied (a token is a secret: --secret id=GIT_AUTH_TOKEN)",
		404: "repository not found (a private one needs a token: --secret id=GIT_AUTH_TOKEN)",
		500: "status code: 500",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(status)
			b := bufio.NewWriter(w)
			for req.Context().Err() == nil {
				if _, err := fmt.Fprintln(b, "<html>", rand.Text()); err != nil {
					return
				}
			}
		}))
		_, err := newSources(t).Open(t.Context(), gitOp(server.URL+"/r.git", ""), nil)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d: error %v, want %s", status, err, want)
		}
		server.Close()
	}
}
