//go:build integration

package containers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/doctable"
)

// TestContainers checks what the job can build in each container. The table in COMPATIBILITY.md is
// the expected result. A build that succeeds must create the same image as on this machine, and no
// file may contain the secret afterwards.
func TestContainers(t *testing.T) {
	h := newHost(t)
	want := h.outside()
	var b strings.Builder
	b.WriteString("| container | steps run in |")
	for _, f := range features() {
		fmt.Fprintf(&b, " %s |", f.name)
	}
	b.WriteString("\n|---|---|" + strings.Repeat(":-:|", len(features())) + "\n")
	for _, c := range h.containers() {
		out, err := c.cmd(t.Context(), "/bin/sh", "/job/run", c.dir, "").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, out)
			continue
		}
		list, leaked, err := parse(string(out))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if leaked != "" {
			t.Errorf("%s: files contain the secret: %s", c.name, leaked)
		}
		t.Logf("%s\n%s", c.name, out)
		fmt.Fprintf(&b, "| %s | %s |", c.name, list[1].way())
		for i, r := range list {
			cell := "–"
			if r.built {
				cell = "✔"
			}
			if r.built && r.digest != want[i].digest {
				t.Errorf("%s: build %q: image %s, want %s", c.name, features()[i].name, r.digest, want[i].digest)
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	doctable.Check(t, "containers", b.String())
}

// outside returns the results of the job on this machine, as root.
func (h *host) outside() []result {
	h.t.Helper()
	at := filepath.Join(h.dir, "outside")
	if err := os.Mkdir(at, 0o755); err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.CommandContext(h.t.Context(), filepath.Join(h.root, "bin", "sh"), filepath.Join(h.root, "job", "run"), at, h.root)
	cmd.Env = []string{"PATH=" + filepath.Join(h.root, "bin")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	list, _, err := parse(string(out))
	if err != nil {
		h.t.Fatal(err)
	}
	for i, r := range list {
		if !r.built {
			h.t.Fatalf("build %q fails on this machine:\n%s", features()[i].name, r.output)
		}
	}
	return list
}
