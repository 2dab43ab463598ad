//go:build integration

package clients

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/rig"
)

// TestCacheMoves checks that a builder can import a cache that another builder exported to a
// registry. The steps print random numbers. If the results are equal, the second builder has
// executed no step.
func TestCacheMoves(t *testing.T) { onEachBuilder(t, testCacheMoves) }

func testCacheMoves(t *testing.T, d *rig.Daemon) {
	const dockerfile = `
-- Dockerfile --
# syntax=FRONTEND
FROM busybox AS build
WORKDIR /build
COPY in ./
RUN head -c 16 /dev/urandom | sha256sum > random
FROM busybox AS more
RUN --mount=from=build,source=/build,target=/b cat /b/* > /more && head -c 16 /dev/urandom | sha256sum >> /more
FROM scratch
COPY --from=build /build/random /
COPY --link --from=more /more /
-- in --
from the context
`
	cache := "type=registry,ref=" + builder.Addr + "/test/cache:" + strings.ToLower(filepath.Base(t.Name()))
	first := writeArchive(t, dockerfile)
	newBuildx(t, d).run(t, first, "build", "--cache-to", cache+",mode=max", "--output", "out", ".")

	other, err := builder.StartDaemon(t.Context(), "buildkitd")
	if err != nil {
		t.Fatal(err)
	}
	b := newBuildx(t, other)
	second := writeArchive(t, dockerfile)
	out := b.run(t, second, "build", "--progress=plain", "--cache-from", cache, "--output", "out", ".")
	for _, file := range []string{"random", "more"} {
		wantFile(t, read(t, first, "out", file), second, "out", file)
	}
	if !strings.Contains(out, "CACHED") {
		t.Errorf("no step is reported as cached:\n%s", out)
	}

	// Without the imported cache the result must differ. Otherwise the comparison above would
	// prove nothing.
	third := writeArchive(t, dockerfile)
	b.run(t, third, "build", "--no-cache", "--output", "out", ".")
	if read(t, first, "out", "random") == read(t, third, "out", "random") {
		t.Error("executing the step creates the same random file")
	}
}

// TestCacheMountsMove checks that slipway serve exports cache mounts with a cache, and that another
// server restores them. Not on buildkitd, which ignores mounts=true, as a test in
// integration/daemon shows.
func TestCacheMountsMove(t *testing.T) {
	t.Parallel()
	const dockerfile = `
-- Dockerfile --
FROM busybox AS build
COPY in /
RUN --mount=type=cache,target=/c cat /c/x > /d || echo none > /d; cat /in > /c/x
FROM scratch
COPY --from=build /d /
-- in --
first
`
	cache := "type=registry,ref=" + builder.Addr + "/test/mounts"
	d, err := server()
	if err != nil {
		t.Fatal(err)
	}
	first := writeArchive(t, dockerfile)
	newBuildx(t, d).run(t, first, "build", "--cache-to", cache+",mode=max,mounts=true", "--output", "out", ".")
	wantFile(t, "none\n", first, "out", "d")
	other, err := builder.StartServer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second := writeArchive(t, strings.Replace(dockerfile, "first", "second", 1))
	newBuildx(t, other).run(t, second, "build", "--cache-from", cache, "--output", "out", ".")
	wantFile(t, "first\n", second, "out", "d")
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
