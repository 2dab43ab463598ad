package llbsource

import (
	"crypto/ed25519"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"slipway/internal/connserver"
	"slipway/internal/fakeagent"
	"slipway/internal/fakegit"
)

func newKey(t *testing.T) (ed25519.PrivateKey, ssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, signer
}

// serveSSH starts an SSH server for a git repository and returns its address. The
// parameter host is the host key of the server, and user is the only client key that can
// log in.
func serveSSH(t *testing.T, r *fakegit.Repository, host ssh.Signer, user ssh.PublicKey) string {
	t.Helper()
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(user.Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	return connserver.Serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) { serveLogin(t, r, c, config) })
}

func serveLogin(t *testing.T, r *fakegit.Repository, c net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		c.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		channel, requests, err := ch.Accept()
		if err != nil {
			return
		}
		go func() {
			for req := range requests {
				ok := req.Type == "exec" && strings.Contains(string(req.Payload), "git-upload-pack")
				_ = req.Reply(ok, nil)
				if ok {
					go func() {
						_ = r.ServeUploadPack(t.Context(), channel)
						_, _ = channel.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
						channel.Close()
					}()
				}
			}
		}()
	}
}

// TestGitSSH checks that git over SSH logs in with a key from the agent, and connects to
// known hosts only.
func TestGitSSH(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	r.Commit("refs/heads/main", committed, one("x"))
	key, user := newKey(t)
	_, host := newKey(t)
	_, other := newKey(t)
	addr := serveSSH(t, r, host, user.PublicKey())
	s := newSources(t)
	s.Agents = map[string]string{"default": fakeagent.Serve(t, key)}
	op := func(known ssh.Signer) *pb.SourceOp {
		return gitOp("ssh://git@"+addr+"/r.git", "", pb.AttrMountSSHSock, "default",
			pb.AttrKnownSSHHosts, knownhosts.Line([]string{addr}, known.PublicKey())+"\n")
	}
	if got, _ := fetched(t, s, op(host)); !slices.Equal(got, []string{"f file 644 x"}) {
		t.Errorf("files %q", got)
	}
	if _, err := s.Open(t.Context(), op(other), nil); err == nil || !strings.Contains(err.Error(), "key mismatch") {
		t.Errorf("a host with another key: error %v", err)
	}
	if _, err := newSources(t).Open(t.Context(), op(host), nil); err == nil || !strings.HasSuffix(err.Error(), `no SSH key "default" forwarded from the client (forward an agent or a key: --ssh default)`) {
		t.Errorf("without an agent: error %v", err)
	}
	unknown := op(host)
	unknown.Attrs[pb.AttrKnownSSHHosts] = ""
	if _, err := s.Open(t.Context(), unknown, nil); err == nil || !strings.Contains(err.Error(), "no configured known hosts") {
		t.Errorf("an unknown host: error %v", err)
	}
}

// FuzzGitSource checks that parsing arbitrary identifiers and .gitattributes files
// succeeds or returns an error.
func FuzzGitSource(f *testing.F) {
	f.Add("git://example.com/a.git#ref:dir", "https://example.com/a.git", "*.bat eol=crlf\n[attr]x ident\n")
	f.Add("git://file:///x", "git@host:a", "\"a b\" x=\n#")
	f.Fuzz(func(t *testing.T, id, full, attributes string) {
		o, err := parseGit(&pb.SourceOp{Identifier: id, Attrs: map[string]string{pb.AttrFullRemoteURL: full}})
		if err == nil && o.remote == "" {
			t.Errorf("%q has no remote", id)
		}
		for _, r := range parseRules(attributes) {
			if r.pattern == "" || r.attribute == "" {
				t.Errorf("rule %+v of %q", r, attributes)
			}
		}
	})
}
