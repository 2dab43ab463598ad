//go:build integration

package clients

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/integration/contained"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// startSlipway compiles slipway and starts slipway serve. The returned daemon has no client.
func startSlipway(t *testing.T) *rig.Daemon {
	t.Helper()
	dir, err := builder.TempDir("s") // the path of a unix socket is limited to 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	program, err := rig.CompileSlipway(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	d := &rig.Daemon{Dir: dir, Socket: "unix://" + filepath.Join(dir, "sock")}
	cmd := exec.Command(program, "serve", "--addr", d.Socket, "--state", filepath.Join(dir, "state"),
		"--mirror", "docker.io="+builder.Addr, "--mirror", rig.Registry+"="+builder.Addr)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	p, err := contained.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(10 * time.Second) })
	for range 200 {
		if _, err := os.Stat(filepath.Join(dir, "sock")); err == nil {
			return d
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("slipway serve does not listen after 10 seconds")
	return nil
}

const served = `
-- Dockerfile --
FROM busybox AS build
COPY in /
RUN cat /in > /out && echo built >> /out
FROM scratch
COPY --from=build /out /
-- in --
from the context
-- docker-bake.hcl --
target "default" {
  contexts = { base = "target:base" }
  dockerfile-inline = "FROM base\nCOPY in /second\n"
  output = ["baked"]
}
target "base" {}
`

// TestServeBuildx checks docker buildx with slipway serve: builds, checks, bake, the disk usage,
// the history and a prune.
func TestServeBuildx(t *testing.T) {
	t.Parallel()
	b := newBuildx(t, startSlipway(t))
	dir := writeArchive(t, served)
	b.run(t, dir, "build", "--output", "out", ".")
	wantFile(t, "from the context\nbuilt\n", dir, "out", "out")
	b.run(t, dir, "build", "-t", "app:1", "--output", "type=oci,dest=app.tar", ".")
	if _, err := os.Stat(filepath.Join(dir, "app.tar")); err != nil {
		t.Error(err)
	}
	b.run(t, dir, "bake", "--allow=fs.write="+dir)
	wantFile(t, "from the context\n", dir, "baked", "second")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"no warnings", []string{"build", "--call=check", "."}},
		{"BuildKit version:", []string{"inspect"}},
		{"RUN cat /in", []string{"history", "logs", "--progress=plain"}},
		{"Completed", []string{"history", "ls"}},
		{"Build Steps:", []string{"history", "inspect"}},
		{"Reclaimable:", []string{"du"}},
		{"Total:", []string{"prune", "--all", "--force"}},
	} {
		if out := b.run(t, dir, c.args...); !strings.Contains(out, c.want) {
			t.Errorf("buildx %s: output without %q:\n%s", strings.Join(c.args, " "), c.want, out)
		}
	}
}

// TestServeBuildctl checks buildctl with slipway serve.
func TestServeBuildctl(t *testing.T) {
	t.Parallel()
	d := startSlipway(t)
	buildctl, err := toolbox.Path(t.Context(), t.Output(), "buildctl")
	if err != nil {
		t.Fatal(err)
	}
	dir := writeArchive(t, served)
	run := func(want string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), buildctl, append([]string{"--addr", d.Socket}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte(want)) {
			t.Errorf("buildctl %s: %v, want the output %q:\n%s", strings.Join(args, " "), err, want, out)
		}
	}
	local := []string{"--local", "context=.", "--local", "dockerfile=."}
	run("RUN cat /in", append([]string{"build", "--progress=plain", "--frontend", "dockerfile.v0", "--output", "type=local,dest=out"}, local...)...)
	wantFile(t, "from the context\nbuilt\n", dir, "out", "out")
	run("", append([]string{"build", "--frontend", "gateway.v0", "--opt", "source=" + rig.Ours, "--output", "type=local,dest=image"}, local...)...)
	wantFile(t, "from the context\nbuilt\n", dir, "image", "out")
	run("slipway", "debug", "workers", "-v")
	run("slipway", "debug", "info")
	run("COMPLETE", "debug", "histories")
	run("Total:", "du")
	run("Total:", "prune")
}
