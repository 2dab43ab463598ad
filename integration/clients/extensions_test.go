//go:build integration

package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/integration/rig"
)

// extended is a build with all extensions of the language that have an equivalent plain Dockerfile.
const extended = `
-- Dockerfile --
# syntax=FRONTEND
# slipway=1.0 strict network=none

ARG FLAVOR=small
ARG DEBUG
LET VERSION=1.2 KIND=$FLAVOR
INCLUDE parts/$FLAVOR/args

FROM busybox AS tools-small
RUN echo $VERSION $NOTE > /tool
FROM busybox AS tools-large IF $DEBUG
RUN echo large $NOTE > /tool

FROM busybox AS build
LET --file=vars
ENV --file=env
WORKDIR /src
COPY --if-exists LICENSE .npmrc missing/deep ./
COPY --from=tools-$FLAVOR /tool /out/
RUN --mount=from=./other.dockerfile#$FLAVOR,target=/other cat /other/made > /out/made; echo $NAME > /out/vars
RUN --if=$DEBUG echo debug > /out/debug
ARG TARGETARCH
ENV MACHINE=${TARGETARCH:@amd64=x86,arm64=x86} UPPER=${KIND^^}
RUN --shell='["/bin/sh","-c"]' env | grep -E '^(GREETING|MACHINE|UPPER)=' | sort > /out/env
ENV SH=/bin/sh
RUN --expand ["$SH", "-c", "ls -A > /out/ls"]
UNSET CMD
INCLUDE parts/run
ADD --if-exists=true missing /
ENTRYPOINT --expand ["$SH"]

FROM busybox AS fresh
RUN --no-cache echo fresh > /fresh

FROM ./other.dockerfile
COPY --from=build /out/ /
COPY --from=fresh /fresh /
-- other.dockerfile --
ARG FLAVOR
ARG WORD=made
FROM busybox AS small
ARG FLAVOR
ARG WORD
RUN echo $WORD $FLAVOR > /made
FROM small AS large
RUN echo more >> /made
FROM scratch
COPY --from=large /made /large
-- parts/run --
RUN echo included > /out/included
INCLUDE deeper/run
-- parts/deeper/run --
RUN echo deeper > /out/deeper
-- parts/small/args --
LET NOTE=little
-- parts/large/args --
LET NOTE=much
-- vars --
# a comment
export NAME='a name'
-- env --
GREETING="hello world"
-- LICENSE --
free
`

// TestExtensions builds a file with extensions of the language with docker buildx, which uses our
// frontend image on buildkitd, and with slipway build. The files must be equal. Both clients print
// the same plain Dockerfile, whose steps are all cached when upstream's frontend builds it.
//
// It runs with buildkitd only: slipway serve uses the frontend in its program, as slipway build does.
func TestExtensions(t *testing.T) { onBuildkitd(t, testExtensions) }

func testExtensions(t *testing.T, d *rig.Daemon) {
	b := newBuildx(t, d)
	dir := writeArchive(t, extended)
	for flavor, want := range map[string]map[string]string{
		"small": {
			"tool": "1.2 little\n", "made": "made small\n", "vars": "a name\n", "env": "GREETING=hello world\nMACHINE=x86\nUPPER=SMALL\n",
			"ls": "LICENSE\n", "included": "included\n", "deeper": "deeper\n", "fresh": "fresh\n", "large": "made small\nmore\n",
		},
		"large": {"tool": "large much\n", "made": "made large\nmore\n", "debug": "debug\n"},
	} {
		t.Run(flavor, func(t *testing.T) {
			args := []string{"--build-arg", "FLAVOR=" + flavor}
			if flavor == "large" {
				args = append(args, "--build-arg", "DEBUG=1")
			}
			compareExtended(t, b, dir, args, want)
		})
	}
}

// compareExtended builds the Dockerfile in dir with buildx and with slipway build, compares the
// files, and checks that upstream's frontend builds the plain Dockerfile from the cache.
func compareExtended(t *testing.T, b *buildx, dir string, args []string, want map[string]string) {
	t.Helper()
	out := t.TempDir()
	b.run(t, dir, slices.Concat([]string{"build", "--output", filepath.Join(out, "buildx")}, args, []string{"."})...)
	for name, content := range want {
		wantFile(t, content, out, "buildx", name)
	}
	runSlipway(t, slices.Concat([]string{"build", "--progress=plain", "-o", filepath.Join(out, "slipway")}, args, []string{dir})...)
	if got, want := listFiles(t, filepath.Join(out, "slipway")), listFiles(t, filepath.Join(out, "buildx")); got != want {
		t.Errorf("slipway build creates\n%s\nbuildx\n%s", got, want)
	}
	plain := b.run(t, dir, slices.Concat([]string{"build", "--progress=quiet", "--call=eject"}, args, []string{"."})...)
	if got := runSlipway(t, slices.Concat([]string{"eject"}, args, []string{dir})...); got != plain {
		t.Errorf("slipway eject prints\n%s\nbuildx\n%s", got, plain)
	}
	file := filepath.Join(out, "Dockerfile")
	if err := os.WriteFile(file, []byte(plain), 0o644); err != nil {
		t.Fatal(err)
	}
	log := b.run(t, dir, slices.Concat([]string{
		"build", "--progress=plain", "--build-arg", "BUILDKIT_SYNTAX=" + rig.Upstream, "-f", file, "--output", filepath.Join(out, "plain"),
	}, args, []string{"."})...)
	if cached, others := cachedSteps(log); len(others) > 0 || len(cached) < 15 {
		t.Errorf("%d steps of the plain Dockerfile are cached, and these are not: %q\n%s", len(cached), others, log)
	}
	if got, want := listFiles(t, filepath.Join(out, "plain")), listFiles(t, filepath.Join(out, "buildx")); got != want {
		t.Errorf("the plain Dockerfile creates\n%s\nthe original\n%s", got, want)
	}
}

// cachedSteps returns the names of the steps that were cached and of the others, from the plain
// progress of a build. Pulls of base images are not included.
func cachedSteps(log string) (cached, others []string) {
	isCached, name := map[string]bool{}, map[string]string{}
	for line := range strings.Lines(log) {
		id, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch step, isStep := strings.CutPrefix(text, "["); {
		case !strings.HasPrefix(id, "#"):
		case text == "CACHED":
			isCached[id] = true
		case isStep && !strings.HasPrefix(step, "internal]") && strings.Contains(step, "/") && !strings.Contains(step, "] FROM "):
			name[id] = text
		}
	}
	for id, text := range name {
		if isCached[id] {
			cached = append(cached, text)
		} else {
			others = append(others, text)
		}
	}
	slices.Sort(others)
	return cached, others
}

// runSlipway runs slipway in this machine, without a builder, and returns its standard output.
func runSlipway(t *testing.T, args ...string) string {
	t.Helper()
	out, err := runSlipwayAny(t, args...)
	if err != nil {
		t.Fatalf("slipway %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// runSlipwayAny is like runSlipway, but returns the error, and then also the standard error.
func runSlipwayAny(t *testing.T, args ...string) (string, error) {
	t.Helper()
	d, err := server() // has the program
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(d.Dir, "slipway"), slices.Concat(args[:1], []string{
		"--state", filepath.Join(t.TempDir(), "state"), "--mirror", "docker.io=http://" + builder.Addr,
	}, args[1:])...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

// TestExtensionsNative builds a file with an UNSET that has no plain equivalent.
//
// It runs with buildkitd only: slipway serve uses the frontend in its program, as slipway build does.
func TestExtensionsNative(t *testing.T) { onBuildkitd(t, testExtensionsNative) }

func testExtensionsNative(t *testing.T, d *rig.Daemon) {
	dir := writeArchive(t, `
-- Dockerfile --
# syntax=FRONTEND
# slipway=1.0

FROM busybox AS build
ENV GONE=1 KEPT=2
UNSET ENV GON*
RUN env | grep -E '^(GONE|KEPT)=' > /env
FROM scratch
COPY --from=build /env /
`)
	newBuildx(t, d).run(t, dir, "build", "--output", "out", ".")
	wantFile(t, "KEPT=2\n", dir, "out", "env")
	runSlipway(t, "build", "--progress=plain", "-o", filepath.Join(dir, "own"), dir)
	wantFile(t, "KEPT=2\n", dir, "own", "env")
	if out, err := runSlipwayAny(t, "eject", dir); err == nil || !strings.Contains(out, "Dockerfile:6: UNSET ENV") {
		t.Errorf("slipway eject: error %v\n%s", err, out)
	}
}

// TestExtensionsErrors checks that failing steps and errors are located in the file that contains
// them, that the option strict makes a step fail, and that --no-cache runs a step in each build.
//
// It runs with buildkitd only: slipway serve uses the frontend in its program, as slipway build does.
func TestExtensionsErrors(t *testing.T) { onBuildkitd(t, testExtensionsErrors) }

func testExtensionsErrors(t *testing.T, d *rig.Daemon) {
	b := newBuildx(t, d)
	dir := writeArchive(t, `
-- Dockerfile --
# syntax=FRONTEND
# slipway=1.0 strict

ARG BROKEN
FROM busybox AS strict
RUN false; true
FROM busybox AS included
INCLUDE part
FROM ./other.dockerfile AS other
FROM ./broken.dockerfile AS broken IF $BROKEN
FROM busybox AS fresh
RUN echo cached
RUN --no-cache echo runs
-- part --

RUN exit 3
-- other.dockerfile --
FROM busybox
RUN true

RUN exit 4
-- broken.dockerfile --
FROM busybox
COPPY a b
`)
	for target, want := range map[string][]string{
		"strict":   {"Dockerfile:6", ">>> RUN false; true", "exit code: 1"},
		"included": {"part:2", ">>> RUN exit 3", "exit code: 3"},
		"other":    {"other.dockerfile:4", ">>> RUN exit 4", "exit code: 4"},
		"broken":   {"broken.dockerfile:2", ">>> COPPY a b", "unknown instruction: COPPY (did you mean COPY?)"},
	} {
		args := []string{"build", "--progress=plain", "--target=" + target}
		if target == "broken" {
			args = append(args, "--build-arg=BROKEN=1")
		}
		remote, errRemote := b.runAny(t, dir, append(args, ".")...)
		own, errOwn := runSlipwayAny(t, append(args, dir)...)
		for _, part := range want {
			if errRemote == nil || !strings.Contains(remote, part) {
				t.Errorf("%s: buildx ends with %v and prints\n%s\nwant %s", target, errRemote, remote, part)
			}
			if part = strings.TrimPrefix(part, ">>> "); errOwn == nil || !strings.Contains(own, part) {
				t.Errorf("%s: slipway build ends with %v and prints\n%s\nwant %s", target, errOwn, own, part)
			}
		}
	}
	for range 2 {
		log := b.run(t, dir, "build", "--progress=plain", "--target=fresh", ".")
		if _, others := cachedSteps(log); !slices.ContainsFunc(others, func(s string) bool { return strings.HasSuffix(s, "RUN --no-cache echo runs") }) {
			t.Errorf("RUN --no-cache has not run:\n%s", log)
		}
	}
	if out, err := b.runAny(t, dir, "build", "--progress=quiet", "--call=check", "--build-arg=BROKN=1", "."); err == nil ||
		!strings.Contains(out, "build argument BROKN is declared by no ARG") {
		t.Errorf("--call=check: error %v\n%s", err, out)
	}
}
