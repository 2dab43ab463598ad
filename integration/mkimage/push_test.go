package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"slipway/integration/frontendimage"
	"slipway/integration/programimage"
)

// startRegistry starts a registry and returns the reference of a repository in it.
func startRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://") + "/slipway/dockerfile"
}

func randomIndex(t *testing.T) v1.ImageIndex {
	t.Helper()
	index, err := random.Index(100, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// TestPush checks that a push tags all versions, and that the tag of a complete version is only
// replaced on request.
func TestPush(t *testing.T) {
	p := push{repository: startRegistry(t), tags: versionTags("1.28.0")}
	first, second := randomIndex(t), randomIndex(t)
	var out strings.Builder
	for range 2 { // pushing the same index again changes nothing
		if err := p.run(t.Context(), &out, first); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := first.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if want := p.repository + ":1.28.0@" + digest.String() + "\n"; !strings.Contains(out.String(), want) {
		t.Errorf("output %q, want %s", out.String(), want)
	}
	p.tags = []string{"1", "1.28.0"}
	err = p.run(t.Context(), io.Discard, second)
	if want := "exists with another digest, " + digest.String() + " (use make push REPLACE=1, or set TAGS)"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	if got := digestOf(t, p.repository+":1"); got != digest {
		t.Errorf("a refused push has moved the tag 1 to %s", got)
	}
	p.replace = true
	if err := p.run(t.Context(), io.Discard, second); err != nil {
		t.Fatal(err)
	}
	moved, err := second.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]v1.Hash{"1": moved, "1.28": digest, "1.28.0": moved} {
		if got := digestOf(t, p.repository+":"+tag); got != want {
			t.Errorf("tag %s is %s, want %s", tag, got, want)
		}
	}
	p.tags = []string{"bad tag"}
	if err := p.run(t.Context(), io.Discard, second); err == nil || !strings.HasPrefix(err.Error(), `tag "bad tag": `) {
		t.Errorf("error %v", err)
	}
}

func digestOf(t *testing.T, ref string) v1.Hash {
	t.Helper()
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	d, err := remote.Head(tag)
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest
}

// writeKey writes an encrypted private key as cosign does, and returns its path and its public
// key.
func writeKey(t *testing.T, password string) (file string, public *ecdsa.PublicKey) {
	t.Helper()
	private, pub, err := cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), cryptoutils.StaticPasswordFunc([]byte(password)))
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "cosign.key")
	if err := os.WriteFile(file, private, 0o600); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pub)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return file, key.(*ecdsa.PublicKey)
}

// TestSign checks with Go's own packages that the signature is valid and names the index, that a
// second push adds no signature, and that another key adds one.
func TestSign(t *testing.T) {
	p := push{repository: startRegistry(t), tags: []string{"1"}}
	index := randomIndex(t)
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("COSIGN_PASSWORD", "secret")
	var keys []*ecdsa.PublicKey
	var files []string
	for range 2 {
		file, key := writeKey(t, "secret")
		files, keys = append(files, file), append(keys, key)
	}
	for _, file := range []string{files[0], files[0], files[1]} {
		if p.signer, err = readKey(file); err != nil {
			t.Fatal(err)
		}
		if err := p.run(t.Context(), io.Discard, index); err != nil {
			t.Fatal(err)
		}
	}
	tag, err := name.NewTag(p.repository + ":sha256-" + digest.Hex + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(tag)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(layers) != len(keys) {
		t.Fatalf("%d signatures, want %d", len(layers), len(keys))
	}
	for i, l := range layers {
		r, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		payload, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := base64.StdEncoding.DecodeString(m.Layers[i].Annotations["dev.cosignproject.cosign/signature"])
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(payload)
		if !ecdsa.VerifyASN1(keys[i], sum[:], sig) || !strings.Contains(string(payload), digest.String()) {
			t.Errorf("signature %d of %s is invalid", i, payload)
		}
	}
}

// TestKey checks the errors of keys that cannot be used.
func TestKey(t *testing.T) {
	file, _ := writeKey(t, "secret")
	if _, err := readKey(file); err == nil || !strings.HasSuffix(err.Error(), "the key is encrypted (set COSIGN_PASSWORD)") {
		t.Errorf("error %v", err)
	}
	t.Setenv("COSIGN_PASSWORD", "wrong")
	if _, err := readKey(file); err == nil || !strings.HasPrefix(err.Error(), "key "+file+": ") {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(file, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readKey(file); err == nil || !strings.HasPrefix(err.Error(), "key "+file+": ") {
		t.Errorf("error %v", err)
	}
	if _, err := readKey(filepath.Join(t.TempDir(), "x")); err == nil || !strings.HasPrefix(err.Error(), "key: open ") {
		t.Errorf("error %v", err)
	}
}

func TestVersionTags(t *testing.T) {
	for version, want := range map[string][]string{
		"1.28.0":      {"1", "1.28", "1.28.0"},
		"1.28.0-rc.1": {"1.28.0-rc.1"},
		"0.0.0-devel": {"0.0.0-devel"},
	} {
		if got := versionTags(version); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}

// TestCertificates checks that Go can parse the certificates.
func TestCertificates(t *testing.T) {
	data, err := certificates()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !c.IsCA {
			t.Errorf("certificate %d: %v, is of an authority: %v", count, err, c != nil && c.IsCA)
		}
		count++
	}
	if count < 50 {
		t.Errorf("%d certificates, want at least 50", count)
	}
}

// TestPlatforms checks that an index for all platforms has an image for each, and attestations
// of each image.
func TestPlatforms(t *testing.T) {
	platforms, err := parsePlatforms(allPlatforms)
	if err != nil {
		t.Fatal(err)
	}
	var binaries []programimage.Binary
	for _, p := range platforms {
		binaries = append(binaries, programimage.Binary{Platform: p, Content: []byte(p.String())})
	}
	spec := frontendimage.Spec()
	spec.Attest = func(b programimage.Binary) ([]programimage.Attestation, error) {
		return []programimage.Attestation{{PredicateType: "x", Predicate: []byte("{}")}}, nil
	}
	p := push{repository: startRegistry(t), tags: []string{"1"}}
	index, err := spec.Index(binaries)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.run(t.Context(), io.Discard, index); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(p.repository + ":1")
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := remote.Index(tag)
	if err != nil {
		t.Fatal(err)
	}
	m, err := pushed.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range m.Manifests {
		got = append(got, d.Platform.String())
	}
	want := strings.Split(allPlatforms, ",")
	for range platforms {
		want = append(want, "unknown/unknown")
	}
	if !slices.Equal(got, want) {
		t.Errorf("platforms %q, want %q", got, want)
	}
}
