//go:build integration

package clients

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// TestCompose checks docker compose build: services with build arguments, secrets and a target, and
// one whose base is another service. Compose pushes the images, because without a Docker Engine it
// cannot load them.
//
// It is not part of make integration, because compiling Compose takes minutes: see make compose.
func TestCompose(t *testing.T) { onEachBuilder(t, testCompose) }

func testCompose(t *testing.T, d *rig.Daemon) {
	compose, err := toolbox.Path(t.Context(), t.Output(), "docker-compose")
	if err != nil {
		t.Fatal(err)
	}
	b := newBuildx(t, d)
	dir := writeArchive(t, `
-- compose.yaml --
services:
  base:
    image: IMAGE-base
    build:
      context: .
      target: base
      args: {TEXT: from-the-service}
      secrets: [token]
  app:
    image: IMAGE-app
    build:
      dockerfile_inline: |
        FROM base
        RUN cat /text > /copied && echo added >> /copied
      additional_contexts: {base: service:base}
      labels: {com.example.app: "yes"}
secrets:
  token: {file: token}
-- token --
hidden
-- Dockerfile --
FROM busybox AS base
ARG TEXT
RUN --mount=type=secret,id=token echo "$TEXT $(cat /run/secrets/token)" > /text
FROM busybox
RUN false
-- check/Dockerfile --
ARG IMAGE
FROM $IMAGE AS app
FROM scratch
COPY --from=app /copied /
`)
	image := builder.Addr + "/test/compose-" + strings.ToLower(filepath.Base(t.Name()))
	file := filepath.Join(dir, "compose.yaml")
	text := strings.ReplaceAll(read(t, file), "IMAGE", image)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b.asPlugin(t)
	for range 2 { // the second build is cached
		cmd := exec.CommandContext(t.Context(), compose, "--progress=plain", "build", "--push", "--builder", "rig")
		cmd.Dir, cmd.Env = dir, append(b.env, "DOCKER_BUILDKIT=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("docker compose build: %v\n%s%s", err, out, d.DaemonLog(1000))
		}
	}
	b.run(t, dir, "build", "--build-arg", "IMAGE="+image+"-app", "--output", "out", "check")
	wantFile(t, "from-the-service hidden\nadded\n", dir, "out", "copied")
	if out := b.run(t, dir, "imagetools", "inspect", "--format", "{{json .Image}}", image+"-app"); !strings.Contains(out, `"com.example.app"`) {
		t.Errorf("the image of the service has no label:\n%s", out)
	}
}

// asPlugin makes buildx a plugin of the docker program, where Compose looks for it. Compose refuses a
// buildx without a version, such as one that is compiled from its module, so a script adds the version
// of the module.
func (b *buildx) asPlugin(t *testing.T) {
	t.Helper()
	info, err := buildinfo.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then
	echo '{"SchemaVersion": "0.1.0", "Vendor": "Docker Inc.", "Version": "%s"}'
else
	exec %s "$@"
fi
`, info.Main.Version, b.path)
	for _, env := range b.env {
		config, ok := strings.CutPrefix(env, "DOCKER_CONFIG=")
		if !ok {
			continue
		}
		dir := filepath.Join(config, "cli-plugins")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "docker-buildx"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
