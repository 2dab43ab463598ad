//go:build integration

package daemon

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"slipway/integration/rig"
)

// recordingRuntime is an OCI runtime that saves a numbered copy of each container's
// config.json and then calls runc.
const recordingRuntime = `#!/bin/sh
last=
for arg; do
	[ "$last" = --bundle ] && cp "$arg/config.json" "%[1]s/$(ls %[1]s | wc -l).json"
	last=$arg
done
exec %[2]s "$@"
`

// specSteps is a Dockerfile with one RUN step for each kind of container configuration.
const specSteps = `FROM busybox
RUN true
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t,size=1m --mount=type=secret,id=s,required=true \
	--mount=type=bind,target=/b true
WORKDIR /w
USER 3:4
ENV A=b
RUN --network=none true
USER 0
RUN --security=insecure true
`

// TestSpec checks that our runner passes the same container configurations to the OCI runtime
// as BuildKit.
func TestSpec(t *testing.T) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Fatal("this test needs runc (apt-get install runc)")
	}
	req := rig.Request{
		Dockerfile: specSteps, Context: t.TempDir(), Secrets: map[string][]byte{"s": []byte("x")}, Entitlements: []string{"security.insecure"},
		Attrs: map[string]string{"ulimit": "nofile=100:200", "add-hosts": "h=10.0.0.1"},
	}
	record := func(name string) string {
		dir, programs := t.TempDir(), t.TempDir()
		if err := os.WriteFile(filepath.Join(programs, name), fmt.Appendf(nil, recordingRuntime, dir, runc), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
		return dir
	}
	theirs := record("buildkit-runc")
	daemon, err := shared.StartDaemon(t.Context(), "buildkitd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := daemon.Build(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	ours := record("runc")
	if _, err := solveImage(t, req, setState(t.TempDir(), "oci")); err != nil {
		t.Fatal(err)
	}
	want, got := readSpecs(t, theirs), readSpecs(t, ours)
	if len(want) != 4 || len(got) != 4 {
		t.Fatalf("BuildKit ran %d steps, the solver %d, want 4", len(want), len(got))
	}
	for i := range want {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("step %d (-BuildKit +solver):\n%s", i, diff)
		}
	}
}

// readSpecs returns the container configurations that recordingRuntime saved, in order. It
// removes intended differences between BuildKit and our runner.
func readSpecs(t *testing.T, dir string) (list []specs.Spec) {
	t.Helper()
	for i := 0; ; i++ {
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.json", i)))
		if err != nil {
			return list
		}
		var s specs.Spec
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		normalizeSpec(&s)
		list = append(list, s)
	}
}

// normalizeSpec removes intended differences between BuildKit and our runner from a container
// configuration.
func normalizeSpec(s *specs.Spec) {
	s.Version = ""   // ours is older, because crun does not support the newest one
	s.Root.Path = "" // each container has its own directory
	s.Linux.CgroupsPath = regexp.MustCompile(`^/(slipway-[0-9a-f]+-[^/]+/.*|buildkit/.*)`).ReplaceAllString(s.Linux.CgroupsPath, "group")
	// BuildKit adds variables for tracing. Our runner sets HOME itself, BuildKit leaves that
	// to runc.
	s.Process.Env = slices.DeleteFunc(s.Process.Env, func(kv string) bool {
		return strings.HasPrefix(kv, "OTEL_") || strings.HasPrefix(kv, "TRACE") || strings.HasPrefix(kv, "HOME=")
	})
	if s.Linux.Seccomp != nil { // ours follows a later version of Docker, which allows fewer socket types
		s.Linux.Seccomp.Syscalls = slices.DeleteFunc(s.Linux.Seccomp.Syscalls, func(c specs.LinuxSyscall) bool { return slices.Equal(c.Names, []string{"socket"}) })
	}
	// BuildKit lists the default capabilities twice in privileged containers.
	for _, list := range []*[]string{&s.Process.Capabilities.Bounding, &s.Process.Capabilities.Effective, &s.Process.Capabilities.Permitted} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/dev/otel-grpc.sock" })
	for i := range s.Mounts {
		m := &s.Mounts[i]
		if m.Type != "overlay" && m.Type != "bind" {
			continue
		}
		// Our runner mounts layers and cache directories before it starts the runtime, does
		// not open devices in host directories, and writes default flags explicitly.
		readOnly := slices.Contains(m.Options, "ro") || m.Type == "overlay" && !slices.ContainsFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, "upperdir=") })
		m.Type, m.Source, m.Options = "bind", "", nil
		if readOnly {
			m.Options = []string{"ro"}
		}
	}
}
