package llbsource

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/hiddeco/sshsig"
	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/crypto/ssh"

	"slipway/internal/fakegit"
)

// sshKey is an SSH key that signs git objects.
type sshKey struct {
	t      *testing.T
	signer ssh.Signer
}

func newSSHKey(t *testing.T) sshKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return sshKey{t, signer}
}

// public returns the public key in the format of authorized_keys.
func (k sshKey) public() string { return string(ssh.MarshalAuthorizedKey(k.signer.PublicKey())) }

// sign returns the armored signature of data for git.
func (k sshKey) sign(data, namespace string) string {
	k.t.Helper()
	s, err := sshsig.Sign(strings.NewReader(data), k.signer, sshsig.HashSHA512, namespace)
	if err != nil {
		k.t.Fatal(err)
	}
	return string(sshsig.Armor(s))
}

const person = "a <a@example.com> 1577934245 +0000"

// signedCommit stores a commit of an empty tree with the signature that sign returns. If sign is
// nil, the commit is not signed.
func signedCommit(r *fakegit.Repository, ref string, sign func(data string) string) string {
	head := fmt.Sprintf("tree %s\nauthor %s\ncommitter %s\n", r.Object(plumbing.TreeObject, nil), person, person)
	body := "\nmessage " + ref + "\n"
	data := head + body
	if sign != nil {
		lines := strings.Split(strings.TrimSuffix(sign(data), "\n"), "\n")
		data = head + "gpgsig " + strings.Join(lines, "\n ") + "\n" + body
	}
	hash := r.Object(plumbing.CommitObject, []byte(data)).String()
	r.Ref(ref, hash)
	return hash
}

// signedTag stores an annotated tag with the signature that sign returns.
func signedTag(r *fakegit.Repository, name, commit string, sign func(data string) string) {
	data := fmt.Sprintf("object %s\ntype commit\ntag %s\ntagger %s\n\nmessage\n", commit, name, person)
	r.Ref("refs/tags/"+name, r.Object(plumbing.TagObject, []byte(data+sign(data))).String())
}

// TestGitSignatures checks that a git source with a public key accepts only commits and tags that
// the key has signed, as the attributes require.
func TestGitSignatures(t *testing.T) {
	key, other := newSSHKey(t), newSSHKey(t)
	r := fakegit.Start(t).Repository(t, "/r.git")
	signed := func(data string) string { return key.sign(data, "git") }
	signedCommit(r, "refs/heads/signed", signed)
	plain := signedCommit(r, "refs/heads/plain", nil)
	signedCommit(r, "refs/heads/forged", func(data string) string { return key.sign(data+"x", "git") })
	signedCommit(r, "refs/heads/file", func(data string) string { return key.sign(data, "file") })
	signedTag(r, "v1", plain, signed)
	signedTag(r, "v2", plain, func(data string) string { return other.sign(data, "git") })
	public := []string{pb.AttrGitSignatureVerifyPubKey, key.public()}
	with := func(attrs ...string) []string { return append(public[:2:2], attrs...) }
	for _, tc := range []struct {
		ref   string
		attrs []string
		want  string // part of the error; "" means none
	}{
		{"signed", public, ""},
		{"plain", public, "git object is not signed"},
		{"plain", nil, ""},
		{"forged", public, "failed to verify ssh signature"},
		{"file", public, "unexpected SSH signature namespace"},
		{"signed", []string{pb.AttrGitSignatureVerifyPubKey, other.public()}, "failed to verify ssh signature"},
		{"signed", []string{pb.AttrGitSignatureVerifyPubKey, "no key"}, "failed to parse ssh public key"},
		{"signed", []string{pb.AttrGitSignatureVerifyRejectExpired, "true"}, "failed to parse ssh public key"},
		{"v1", public, ""},
		{"v1", with(pb.AttrGitSignatureVerifyRequireSignedTag, "true"), ""},
		{"v1", with(pb.AttrGitSignatureVerifyIgnoreSignedTag, "true"), "git object is not signed"},
		{"v2", with(pb.AttrGitSignatureVerifyRequireSignedTag, "true"), "failed to verify ssh signature"},
		{"signed", with(pb.AttrGitSignatureVerifyRequireSignedTag, "true"), "signed tag required but no signed tag found"},
	} {
		_, err := newSources(t).Open(t.Context(), gitOp(r.URL, "#"+tc.ref, tc.attrs...), nil)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s with %q: error %v, want %q", tc.ref, tc.attrs, err, tc.want)
		}
	}
}

// TestDownloadSignatures checks that a download with a public key must have a valid signature.
func TestDownloadSignatures(t *testing.T) {
	entity, err := openpgp.NewEntity("a", "", "a@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	armored := func(kind string, write func(io.Writer) error) string {
		var b bytes.Buffer
		w, err := armor.Encode(&b, kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := write(w); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	public := armored(openpgp.PublicKeyType, entity.Serialize)
	signature := func(data string) string {
		return armored(openpgp.SignatureType, func(w io.Writer) error {
			return openpgp.DetachSign(w, entity, strings.NewReader(data), nil)
		})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "data") }))
	t.Cleanup(server.Close)
	for _, tc := range []struct{ key, signature, want string }{
		{public, signature("data"), ""},
		{public, signature("other"), "failed to verify pgp signature"},
		{public, "", "requires both pubkey and signature"},
		{"", signature("data"), "requires both pubkey and signature"},
		{"no key", signature("data"), "failed to verify pgp signature"},
	} {
		op := &pb.SourceOp{Identifier: server.URL, Attrs: map[string]string{pb.AttrHTTPSignatureVerifyPubKey: tc.key, pb.AttrHTTPSignatureVerify: tc.signature}}
		_, err := newSources(t).ResolveHTTP(t.Context(), op)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("error %v, want %q", err, tc.want)
		}
	}
}
