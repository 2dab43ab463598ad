//go:build integration

package clients

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/rig"
)

// TestDiskUsage checks that buildx and buildctl list the cache of a builder, and that a prune
// removes it: a step then runs again.
func TestDiskUsage(t *testing.T) { onOwnBuilder(t, testDiskUsage) }

func testDiskUsage(t *testing.T, d *rig.Daemon) {
	b := newBuildx(t, d)
	dir := writeArchive(t, "-- Dockerfile --\nFROM busybox\nRUN echo built > /file\n")
	b.run(t, dir, "build", ".")
	for _, args := range [][]string{{"du"}, {"du", "--verbose"}} {
		if out := b.run(t, dir, args...); !strings.Contains(out, "Total:") || strings.Contains(out, "Total:\t\t0B") {
			t.Errorf("buildx %s does not list the cache:\n%s", strings.Join(args, " "), out)
		}
	}
	if out := buildctl(t, d, "du", "--verbose"); !strings.Contains(out, "echo built > /file") {
		t.Errorf("buildctl du --verbose does not list the RUN step:\n%s", out)
	}
	b.run(t, dir, "prune", "--force", "--all")
	if out := b.run(t, dir, "build", "--progress=plain", "."); strings.Contains(out, "CACHED") {
		t.Errorf("a step is cached after a prune:\n%s", out)
	}
}

// TestWorkers checks the description of the builder that clients show.
func TestWorkers(t *testing.T) { onEachBuilder(t, testWorkers) }

func testWorkers(t *testing.T, d *rig.Daemon) {
	if out := buildctl(t, d, "debug", "workers"); !strings.Contains(out, "linux/amd64") {
		t.Errorf("buildctl debug workers names no platform:\n%s", out)
	}
	if out := newBuildx(t, d).run(t, ".", "inspect"); !strings.Contains(out, "running") || !strings.Contains(out, "linux/amd64") {
		t.Errorf("buildx inspect: want a running builder with its platforms, got:\n%s", out)
	}
}

// TestHistory checks that buildx lists earlier builds, shows their options and their output, exports
// and removes them.
func TestHistory(t *testing.T) { onOwnBuilder(t, testHistory) }

func testHistory(t *testing.T, d *rig.Daemon) {
	b := newBuildx(t, d)
	dir := writeArchive(t, "-- Dockerfile --\nFROM busybox\nARG V\nRUN echo printed $V\n")
	b.run(t, dir, "build", "--build-arg", "V=by-the-step", ".")
	if out := b.run(t, dir, "history", "ls"); !strings.Contains(out, "Completed") {
		t.Errorf("buildx history ls does not list the build:\n%s", out)
	}
	if out := b.run(t, dir, "history", "inspect"); !strings.Contains(out, "by-the-step") {
		t.Errorf("buildx history inspect does not show the build argument:\n%s", out)
	}
	if out := b.run(t, dir, "history", "logs", "--progress=plain"); !strings.Contains(out, "printed by-the-step") {
		t.Errorf("buildx history logs does not show the output of the step:\n%s", out)
	}
	if out := buildctl(t, d, "debug", "histories"); !strings.Contains(out, "COMPLETE") {
		t.Errorf("buildctl debug histories does not list the build:\n%s", out)
	}
	b.run(t, dir, "history", "export", "--finalize", "--output", "build.dockerbuild")
	wantRecord(t, filepath.Join(dir, "build.dockerbuild"), "printed by-the-step", `"buildConfig"`, "build-arg:V")
	b.run(t, dir, "history", "rm", "--all")
	if out := b.run(t, dir, "history", "ls"); strings.Contains(out, "Completed") {
		t.Errorf("buildx history ls lists a build after history rm --all:\n%s", out)
	}
}

// wantRecord checks that the exported record of a build, a compressed OCI archive, contains each of
// some texts: the log, the provenance and the options of the build.
func wantRecord(t *testing.T, file string, texts ...string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	names := map[string]bool{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names[h.Name] = true
		if _, err := io.Copy(&all, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range texts {
		if !strings.Contains(all.String(), text) {
			t.Errorf("the exported record does not contain %q", text)
		}
	}
	if !names["index.json"] {
		t.Errorf("the exported record has the files %v, want index.json", names)
	}
}

// TestDebug checks the commands of buildctl that inspect a builder and its history, and that each
// lists a build once.
func TestDebug(t *testing.T) { onOwnBuilder(t, testDebug) }

func testDebug(t *testing.T, d *rig.Daemon) {
	dir := writeArchive(t, "-- Dockerfile --\nFROM busybox\nRUN echo printed by-the-step\n")
	buildctl(t, d, "build", "--frontend", "dockerfile.v0", "--local", "context="+dir, "--local", "dockerfile="+dir)
	if out := buildctl(t, d, "debug", "info"); !strings.Contains(out, "BuildKit:") {
		t.Errorf("buildctl debug info names no version:\n%s", out)
	}
	ref := ""
	for line := range strings.Lines(buildctl(t, d, "debug", "histories")) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "COMPLETE" {
			if ref != "" {
				t.Errorf("buildctl debug histories lists two builds: %s and %s", ref, fields[1])
			}
			ref = fields[1]
		}
	}
	if out := buildctl(t, d, "debug", "logs", ref); !strings.Contains(out, "printed by-the-step") {
		t.Errorf("buildctl debug logs does not show the output of the step:\n%s", out)
	}
	const unknown = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	out, err := exec.CommandContext(t.Context(), builder.Buildctl, "--addr", d.Socket, "debug", "get", unknown).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not found") {
		t.Errorf("buildctl debug get of an unknown digest: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), builder.Buildctl, "--addr", d.Socket, "debug", "logs", "unknown").CombinedOutput()
	if err == nil {
		t.Errorf("buildctl debug logs of an unknown build succeeds:\n%s", out)
	}
}

// TestImagetools checks that an image that was pushed by a build can be inspected and copied.
func TestImagetools(t *testing.T) { onEachBuilder(t, testImagetools) }

func testImagetools(t *testing.T, d *rig.Daemon) {
	b := newBuildx(t, d)
	dir := writeArchive(t, "-- Dockerfile --\nFROM busybox\nLABEL a=b\n")
	image := builder.Addr + "/test/imagetools:" + strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-")
	b.run(t, dir, "build", "--platform=linux/amd64,linux/arm64", "--output", "type=image,push=true,name="+image, ".")
	if out := b.run(t, dir, "imagetools", "inspect", image); !strings.Contains(out, "linux/arm64") {
		t.Errorf("buildx imagetools inspect does not list the platforms:\n%s", out)
	}
	b.run(t, dir, "imagetools", "create", "--tag", image+"-copy", image)
	if out := b.run(t, dir, "imagetools", "inspect", image+"-copy"); !strings.Contains(out, "linux/arm64") {
		t.Errorf("buildx imagetools create does not copy the platforms:\n%s", out)
	}
}

// TestBuildctl checks that buildctl builds a Dockerfile and a definition that it sends itself.
func TestBuildctl(t *testing.T) { onEachBuilder(t, testBuildctl) }

func testBuildctl(t *testing.T, d *rig.Daemon) {
	dir := writeArchive(t, "-- Dockerfile --\nFROM busybox AS b\nRUN echo built > /out\nFROM scratch\nCOPY --from=b /out /\n")
	buildctl(t, d, "build", "--frontend", "dockerfile.v0", "--local", "context="+dir, "--local", "dockerfile="+dir,
		"--output", "type=local,dest="+dir+"/out")
	wantFile(t, "built\n", dir, "out", "out")
}

// buildctl runs buildctl with a builder and returns its output. It must succeed.
func buildctl(t *testing.T, d *rig.Daemon, args ...string) string {
	t.Helper()
	out, err := rig.CombinedOutput(func() *exec.Cmd {
		return exec.CommandContext(t.Context(), builder.Buildctl, append([]string{"--addr", d.Socket}, args...)...)
	})
	if err != nil {
		t.Fatalf("buildctl %s: %v\n%s%s", strings.Join(args, " "), err, out, d.DaemonLog(1000))
	}
	return string(out)
}
