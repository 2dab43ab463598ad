//go:build integration

package clients

import (
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/rig"
)

// TestBuild checks that buildx builds several stages with RUN steps and exports their files.
func TestBuild(t *testing.T) { onEachBuilder(t, testBuild) }

func testBuild(t *testing.T, d *rig.Daemon) {
	dir := writeArchive(t, `
-- Dockerfile --
# syntax=FRONTEND
FROM busybox AS build
ARG WHO=nobody
COPY in /
RUN cat /in > /out && echo $WHO >> /out
FROM scratch AS files
COPY --from=build /out /
FROM build AS last
RUN exit 1
-- in --
from the context
-- .dockerignore --
*
!in
`)
	b := newBuildx(t, d)
	b.run(t, dir, "build", "--target", "files", "--build-arg", "WHO=buildx", "--output", "out", ".")
	wantFile(t, "from the context\nbuildx\n", dir, "out", "out")

	out, err := b.runAny(t, dir, "build", "--progress=plain", ".")
	if err == nil || !strings.Contains(out, "Dockerfile:9\n") || !strings.Contains(out, ">>> RUN exit 1") {
		t.Errorf("a command that fails: error %v\n%s", err, out)
	}
}

// TestPlatforms checks that one invocation of buildx builds for two platforms.
func TestPlatforms(t *testing.T) { onEachBuilder(t, testPlatforms) }

func testPlatforms(t *testing.T, d *rig.Daemon) {
	dir := writeArchive(t, `
-- Dockerfile --
# syntax=FRONTEND
FROM --platform=$BUILDPLATFORM busybox AS build
ARG TARGETARCH
RUN echo $TARGETARCH > /built-for
FROM busybox AS target
FROM scratch
COPY --from=build /built-for /
COPY --from=target /etc/passwd /
`)
	newBuildx(t, d).run(t, dir, "build", "--platform", "linux/amd64,linux/arm64", "--output", "out", ".")
	wantFile(t, "amd64\n", dir, "out", "linux_amd64", "built-for")
	wantFile(t, "arm64\n", dir, "out", "linux_arm64", "built-for")
}

// TestSecret checks builds with secrets from a file and from the environment. A build that
// lacks a required secret must fail.
func TestSecret(t *testing.T) { onEachBuilder(t, testSecret) }

func testSecret(t *testing.T, d *rig.Daemon) {
	dir := writeArchive(t, `
-- Dockerfile --
# syntax=FRONTEND
FROM busybox AS build
RUN --mount=type=secret,id=file --mount=type=secret,id=env,env=TOKEN wc -c < /run/secrets/file > /out && echo ${#TOKEN} >> /out
FROM scratch AS out
COPY --from=build /out /
FROM busybox AS required
RUN --mount=type=secret,id=absent,required true
-- key --
0123456789
`)
	b := newBuildx(t, d)
	b.env = append(b.env, "CLIENT_TOKEN=abc")
	b.run(t, dir, "build", "--secret", "id=file,src=key", "--secret", "id=env,env=CLIENT_TOKEN", "--target=out", "--output", "out", ".")
	wantFile(t, "11\n3\n", dir, "out", "out")

	out, err := b.runAny(t, dir, "build", "--target=required", ".")
	if err == nil || !strings.Contains(out, "secret absent: not found") {
		t.Errorf("a missing required secret: error %v\n%s", err, out)
	}
}

// TestSSH checks that a RUN step can use a forwarded SSH agent.
func TestSSH(t *testing.T) { onEachBuilder(t, testSSH) }

func testSSH(t *testing.T, d *rig.Daemon) {
	dir := writeArchive(t, `
-- Dockerfile --
# syntax=FRONTEND
FROM busybox
RUN --mount=type=ssh,id=mine,required test -S "$SSH_AUTH_SOCK"
`)
	key := filepath.Join(t.TempDir(), "key")
	if err := rig.WriteSSHKey(key); err != nil {
		t.Fatal(err)
	}
	b := newBuildx(t, d)
	b.run(t, dir, "build", "--ssh", "mine="+key, ".")

	out, err := b.runAny(t, dir, "build", "--no-cache", ".")
	if err == nil || !strings.Contains(out, "ssh") {
		t.Errorf("a missing required agent: error %v\n%s", err, out)
	}
}

// TestPinned checks that a # syntax line can select the frontend by digest.
//
// It runs with buildkitd only: slipway serve uses the frontend in its program for our image.
func TestPinned(t *testing.T) { onBuildkitd(t, testPinned) }

func testPinned(t *testing.T, d *rig.Daemon) {
	digest, err := builder.Digest(t.Context(), rig.Ours)
	if err != nil {
		t.Fatal(err)
	}
	b := newBuildx(t, d)
	dockerfile := "\nFROM scratch\nCOPY Dockerfile /\n"
	dir := writeArchive(t, "-- Dockerfile --\n# syntax=FRONTEND@"+digest+dockerfile)
	out := b.run(t, dir, "build", "--progress=plain", "--output", "out", ".")
	wantFile(t, "# syntax="+rig.Ours+"@"+digest+dockerfile, dir, "out", "Dockerfile")
	if !strings.Contains(out, "resolve image config for docker-image://"+rig.Ours+"@"+digest) {
		t.Errorf("the pinned image is not requested:\n%s", out)
	}

	wrong := "sha256:" + strings.Repeat("0", 64)
	dir = writeArchive(t, "-- Dockerfile --\n# syntax=FRONTEND@"+wrong+dockerfile)
	if out, err := b.runAny(t, dir, "build", "."); err == nil || !strings.Contains(out, wrong+": not found") {
		t.Errorf("a digest that does not exist: error %v\n%s", err, out)
	}
}
