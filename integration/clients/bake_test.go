//go:build integration

package clients

import (
	"strings"
	"testing"

	"slipway/integration/rig"
)

// TestBake checks that buildx bake can use the result of one target as a context of another,
// including its config, before the result is exported.
func TestBake(t *testing.T) { onEachBuilder(t, testBake) }

func testBake(t *testing.T, d *rig.Daemon) {
	dir := writeArchive(t, `
-- docker-bake.hcl --
group "default" { targets = ["app", "tool"] }
target "base" {
  context = "base"
  platforms = ["linux/amd64", "linux/arm64"]
}
target "app" {
  context = "app"
  contexts = { base = "target:base" }
  platforms = ["linux/amd64", "linux/arm64"]
  output = ["app-out"]
}
target "tool" {
  name = "tool-${name}"
  matrix = { name = ["x", "y"] }
  dockerfile-inline = <<EOT
# syntax=FRONTEND
FROM busybox AS build
ARG NAME
RUN echo $NAME > /name
FROM scratch
COPY --from=build /name /
EOT
  args = { NAME = name }
  output = ["tool-${name}-out"]
}
-- base/Dockerfile --
# syntax=FRONTEND
FROM --platform=$BUILDPLATFORM busybox AS build
ARG TARGETARCH
RUN echo $TARGETARCH > /built-for
FROM scratch
ENV FROM_BASE=inherited
WORKDIR /srv
COPY --from=build /built-for ./
ONBUILD COPY trigger ./
-- app/trigger --
triggered
-- app/Dockerfile --
# syntax=FRONTEND
FROM base
COPY <<EOF ./env
$FROM_BASE
EOF
`)
	newBuildx(t, d).run(t, dir, "bake", "--allow=fs.write="+dir)
	for _, platform := range []string{"amd64", "arm64"} {
		for file, want := range map[string]string{"built-for": platform + "\n", "env": "inherited\n", "trigger": "triggered\n"} {
			wantFile(t, want, dir, "app-out", "linux_"+platform, "srv", file)
		}
	}
	wantFile(t, "x\n", dir, "tool-x-out", "name")
	wantFile(t, "y\n", dir, "tool-y-out", "name")
}

// TestBakeError checks that buildx bake shows an error in one target with its source location.
func TestBakeError(t *testing.T) { onEachBuilder(t, testBakeError) }

func testBakeError(t *testing.T, d *rig.Daemon) {
	dir := writeArchive(t, `
-- docker-bake.hcl --
target "default" { contexts = { base = "target:base" } }
target "base" { dockerfile-inline = "# syntax=FRONTEND\nFROM busybox\nCOPPY a b\n" }
-- Dockerfile --
# syntax=FRONTEND
FROM base
`)
	out, err := newBuildx(t, d).runAny(t, dir, "bake")
	if err == nil || !strings.Contains(out, "unknown instruction: COPPY (did you mean COPY?)") || !strings.Contains(out, ">>> COPPY a b") {
		t.Errorf("error %v\n%s", err, out)
	}
}
