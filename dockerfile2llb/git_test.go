package dockerfile2llb_test

import (
	"crypto/ed25519"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/sshutil"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/crypto/ssh"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"slipway/dockerfile2llb"
	"slipway/internal/connserver"
)

// gitOptions lists the options that a frontend gives to git sources, each with its capability.
func gitOptions() []llb.GitOption {
	return []llb.GitOption{
		llb.GitRef("main"), llb.GitSubDir("a/b"), llb.KeepGitDir(), llb.GitChecksum(strings.Repeat("1", 40)), llb.GitSkipSubmodules(),
		llb.GitMTimeCommit(), llb.GitFetchByCommit(), llb.GitAdvice(true), llb.WithCustomName("x"), llb.Platform(ocispecs.Platform{OS: "linux", Architecture: "s390x"}),
	}
}

// TestGit compares git sources with those of BuildKit's package: without an option, with each
// option, and with all of them.
func TestGit(t *testing.T) {
	sets := [][]llb.GitOption{nil, gitOptions()}
	for _, o := range gitOptions() {
		sets = append(sets, []llb.GitOption{o})
	}
	for _, remote := range []string{
		"https://example.com/a/b.git", "http://u:p@example.com:8080/a", "git://example.com/a?x=y#ref:sub", "example.com/a.git",
		"ssh://git@host.xz:2222/a/../b.git", "git@host.xz:a/b.git", "ssh://127.0.0.1:1/a", "ftp://example.com/a", "https://[::1/a", "a b", "",
	} {
		for i, opts := range sets {
			want := definition(t, llb.Git(remote, "", opts...))
			if diff := cmp.Diff(want, definition(t, dockerfile2llb.Git(remote, sshutil.SSHKeyScan, opts...)), protocmp.Transform()); diff != "" {
				t.Errorf("%q, options %d (-llb.Git +Git):\n%s", remote, i, diff)
			}
		}
	}
}

// definition returns the definition of a state, in the form of a client.
func definition(t *testing.T, st llb.State) proto.Message {
	t.Helper()
	def, err := st.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return def.ToPB()
}

// TestHostKeys checks that a git source contains the host key of its SSH server if, and only if,
// a function asks the server.
func TestHostKeys(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{NoClientAuth: true}
	config.AddHostKey(signer)
	addr := connserver.Serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		if conn, _, _, err := ssh.NewServerConn(c, config); err == nil {
			conn.Close()
		}
		c.Close()
	})
	remote := "ssh://git@" + addr + "/a.git"
	known := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	theirs, ours := definition(t, llb.Git(remote, "")), definition(t, dockerfile2llb.Git(remote, sshutil.SSHKeyScan))
	if diff := cmp.Diff(theirs, ours, protocmp.Transform()); diff != "" || !strings.Contains(ours.(*pb.Definition).String(), known) {
		t.Errorf("with the key %s (-llb.Git +Git):\n%s", known, diff)
	}
	if def := definition(t, dockerfile2llb.Git(remote, nil)).(*pb.Definition); strings.Contains(def.String(), known) {
		t.Errorf("without a function, the source contains the host key: %s", def)
	}
}
