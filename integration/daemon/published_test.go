//go:build integration

package daemon

import (
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"slipway/frontend"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// maxFrontendSize is the maximum compressed size of the frontend image in bytes.
const maxFrontendSize = 6_000_000

// TestPublishedImage pushes the frontend image as `make push` does, with attestations and a
// signature, and builds with it by its digest. It checks the tags, the size, and the signature with
// OpenSSL.
func TestPublishedImage(t *testing.T) {
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	key, public := writeKeys(t)
	repository := shared.Addr + "/published/dockerfile"
	cmd := exec.CommandContext(t.Context(), "go", "run", "./integration/mkimage", "-push", repository, "-platforms", "linux/"+runtime.GOARCH, "-key", key)
	cmd.Dir, cmd.Env, cmd.Stderr = root, append(os.Environ(), "COSIGN_PASSWORD=secret"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("mkimage: %v\n%s", err, out)
	}
	m := regexp.MustCompile(regexp.QuoteMeta(repository) + `:1\.[0-9]+\.[0-9]+@(sha256:[0-9a-f]{64})\n`).FindStringSubmatch(string(out))
	if m == nil {
		t.Fatalf("mkimage prints %q, want a tag with a digest", out)
	}
	ref := strings.Replace(repository, shared.Addr, rig.Registry, 1) + "@" + m[1]
	got, _ := buildImage(t, rig.Request{Dockerfile: "# syntax=" + ref + "\nFROM scratch\nCOPY --chmod=0641 <<EOF /f\nx\nEOF\n"})
	if !strings.Contains(got, "0641") {
		t.Errorf("the build with %s gives:\n%s", ref, got)
	}
	digest, err := name.NewDigest(repository + "@" + m[1])
	if err != nil {
		t.Fatal(err)
	}
	checkTags(t, digest)
	checkIndex(t, digest)
	checkSignature(t, digest, public)
}

// writeKeys writes a pair of keys as cosign does, and returns the paths of the private and of the
// public key.
func writeKeys(t *testing.T) (private, public string) {
	t.Helper()
	key, pub, err := cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), cryptoutils.StaticPasswordFunc([]byte("secret")))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	private, public = filepath.Join(dir, "cosign.key"), filepath.Join(dir, "cosign.pub")
	writeFile(t, private, key)
	writeFile(t, public, pub)
	return private, public
}

// checkTags checks that the version of docker/dockerfile is a tag of the index at ref, and that its
// shorter forms, such as 1 and 1.28, are, too.
func checkTags(t *testing.T, ref name.Digest) {
	t.Helper()
	for end, c := range frontend.DockerfileVersion + "." {
		if c != '.' {
			continue
		}
		tag := ref.Tag(frontend.DockerfileVersion[:end])
		d, err := remote.Head(tag)
		if err != nil {
			t.Errorf("%s: %v", tag, err)
		} else if d.Digest.String() != ref.DigestStr() {
			t.Errorf("%s is %s, want %s", tag, d.Digest, ref.DigestStr())
		}
	}
}

// checkIndex checks that the index has an image that is small enough, and both attestations of it.
func checkIndex(t *testing.T, ref name.Digest) {
	t.Helper()
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Manifests) != 2 || m.Manifests[1].Annotations["vnd.docker.reference.digest"] != m.Manifests[0].Digest.String() {
		t.Fatalf("index %+v, want an image and its attestations", m.Manifests)
	}
	for _, l := range descriptorsOf(t, index, m.Manifests[0].Digest) {
		if l.Size > maxFrontendSize {
			t.Errorf("the layer has %d bytes, want at most %d (make size shows what is in it)", l.Size, maxFrontendSize)
		}
	}
	var types []string
	for _, l := range descriptorsOf(t, index, m.Manifests[1].Digest) {
		types = append(types, l.Annotations["in-toto.io/predicate-type"])
	}
	if got := strings.Join(types, " "); got != "https://spdx.dev/Document https://slsa.dev/provenance/v1" {
		t.Errorf("predicate types %q", got)
	}
}

// descriptorsOf returns the descriptors of the layers of an image in index.
func descriptorsOf(t *testing.T, index v1.ImageIndex, digest v1.Hash) []v1.Descriptor {
	t.Helper()
	img, err := index.Image(digest)
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m.Layers
}

// checkSignature checks the signature of the index at ref with OpenSSL. The key is in the file
// public.
func checkSignature(t *testing.T, ref name.Digest, public string) {
	t.Helper()
	img, err := remote.Image(ref.Tag(strings.Replace(ref.DigestStr(), ":", "-", 1) + ".sig"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(m.Layers[0].Annotations["dev.cosignproject.cosign/signature"])
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	payload, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "sig"), sig)
	writeFile(t, filepath.Join(dir, "payload"), payload)
	cmd := exec.Command("openssl", "dgst", "-sha256", "-verify", public, "-signature", "sig", "payload")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("openssl: %v\n%s", err, out)
	}
	var text struct {
		Critical struct {
			Identity struct {
				Reference string `json:"docker-reference"`
			} `json:"identity"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
			Type string `json:"type"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(payload, &text); err != nil {
		t.Fatal(err)
	}
	c := text.Critical
	if c.Identity.Reference != ref.Repository.Name() || c.Image.Digest != ref.DigestStr() || c.Type != "cosign container image signature" {
		t.Errorf("signed text %s", payload)
	}
}
