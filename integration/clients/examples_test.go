//go:build integration

package clients

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// exampleBase is an image with programs that have the names of those in the images of the
// examples. They write their arguments to the files that the real programs would write, so that
// the examples need no network.
const exampleBase = `
-- Dockerfile --
FROM busybox
COPY --chmod=755 apk git go make /usr/local/bin/
-- apk --
#!/bin/sh
echo "$@" >> /etc/apk-world
-- git --
#!/bin/sh
[ "$1" != clone ] || { mkdir -p "$3"; cd "$3"; }
echo "$@" >> from-git
-- go --
#!/bin/sh
mkdir -p "${3%/*}"
{ pwd; echo "$@"; ls -A; cat /etc/apk-world; } > "$3"
-- make --
#!/bin/sh
mkdir -p "${1%/*}"
{ pwd; echo "$@"; ls -A; } > "$1"
`

// TestExamples builds the definitions of BuildKit's example programs for client/llb with buildctl.
// Both builders create the same files. The other examples need sources on GitHub.
func TestExamples(t *testing.T) {
	t.Parallel()
	d, err := server()
	if err != nil {
		t.Fatal(err)
	}
	base := writeArchive(t, exampleBase)
	for _, image := range []string{"golang:1.26-alpine", "alpine:latest"} {
		buildctl(t, builder.Daemon, "build", "--frontend", "dockerfile.v0", "--local", "context="+base, "--local", "dockerfile="+base,
			"--output", "type=image,push=true,registry.insecure=true,name="+builder.Addr+"/library/"+image)
	}
	local := []string{"-runc", "local", "-containerd", "local", "-buildkit", "local"}
	for _, e := range []struct {
		name  string
		flags []string
	}{
		{"example-buildkit0", nil},
		{"example-buildkit1", []string{"-with-containerd=false"}}, // it looks for containerd in another directory
		{"example-buildkit3", local},
		{"example-buildkit4", local},
		{"example-buildkit4", append(local, "-prefix", "/", "-with-containerd=false")},
	} {
		t.Run(strings.Join(append([]string{e.name}, e.flags...), " "), func(t *testing.T) {
			t.Parallel()
			program, err := toolbox.Path(t.Context(), t.Output(), e.name)
			if err != nil {
				t.Fatal(err)
			}
			definition, err := exec.CommandContext(t.Context(), program, e.flags...).Output()
			if err != nil {
				t.Fatal(err)
			}
			got, want := exampleFiles(t, d, definition), exampleFiles(t, builder.Daemon, definition)
			if got != want || !strings.Contains(got, "buildctl") {
				t.Errorf("the server creates\n%s\nbuildkitd\n%s", got, want)
			}
		})
	}
}

// exampleFiles builds a definition and lists the files of the result with their modes, link
// targets and contents.
func exampleFiles(t *testing.T, d *rig.Daemon, definition []byte) string {
	t.Helper()
	out := t.TempDir()
	sources := writeArchive(t, "-- a.go --\npackage a\n")
	cmd := exec.CommandContext(t.Context(), builder.Buildctl, "--addr", d.Socket, "build", "--output", "type=local,dest="+out,
		"--local", "runc-src="+sources, "--local", "containerd-src="+sources, "--local", "buildkit-src="+sources)
	cmd.Stdin = bytes.NewReader(definition)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s%s", err, text, d.DaemonLog(1000))
	}
	return listFiles(t, out)
}

// listFiles lists the files in a directory with their modes, link targets and contents.
func listFiles(t *testing.T, out string) string {
	t.Helper()
	var list strings.Builder
	err := filepath.WalkDir(out, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == out {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%v %s", info.Mode(), strings.TrimPrefix(path, out))
		if target, err := os.Readlink(path); err == nil {
			fmt.Fprintf(&list, " -> %s", target)
		}
		if info.Mode().IsRegular() && info.Size() < 1000 {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&list, " %q", data)
		} else if info.Mode().IsRegular() {
			fmt.Fprintf(&list, " %d bytes", info.Size())
		}
		list.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.String()
}
