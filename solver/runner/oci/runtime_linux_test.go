package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFind checks that Find prefers runc to crun, and that the error names both
// programs if neither is installed.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := Find(); err == nil || !strings.Contains(err.Error(), "neither runc nor crun is in PATH") {
		t.Errorf("without a runtime: error %v, want neither runc nor crun is in PATH", err)
	}
	for _, name := range []string{"crun", "runc"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
		if got, err := Find(); err != nil || got != Runtime(filepath.Join(dir, name)) || got.Name() != name {
			t.Errorf("found %s, %v, want %s", got, err, name)
		}
	}
}

// TestArgs checks that the command line of the first process creates the container, and
// that the command line of a further process joins it.
func TestArgs(t *testing.T) {
	f := Files{Bundle: "/b", State: "/s", Log: "/l", PID: "/p"}
	joined := f
	joined.Process = "/q"
	for _, tc := range []struct {
		runtime       Runtime
		files         *Files
		userNamespace bool
		want          string
	}{
		{"/runc", &f, true, "/runc --root /s --log /l --log-format json run --bundle /b --pid-file /p --keep step"},
		{"/runc", &joined, false, "/runc --root /s --log /l --log-format json exec --process /q --pid-file /p step"},
		{"/crun", &f, false, "/crun --root /s --log /l --log-format json run --bundle /b --pid-file /p step"},
		{"/crun", &joined, true, "/crun --root /s --log /l --log-format json --cgroup-manager disabled exec --process /q --pid-file /p step"},
	} {
		if got := strings.Join(tc.runtime.Args(tc.files, tc.userNamespace), " "); got != tc.want {
			t.Errorf("command line %s\nwant %s", got, tc.want)
		}
	}
}

// TestFailure checks that Failure returns the error from a runtime's log without
// prefixes, and ignores warnings and lines that are not JSON.
func TestFailure(t *testing.T) {
	for log, want := range map[string]string{
		"":                                    "<nil>",
		`{"level":"warning","msg":"careful"}`: "<nil>",
		"no JSON\n":                           "<nil>",
		`{"level":"debug","msg":"a"}` + "\n" + `{"level":"error","msg":"runc run failed: unable to start container process: exec: \"x\": executable file not found in $PATH\n"}` + "\n": `exec: "x": executable file not found in $PATH`,
		`{"level":"error","msg":"exec failed: unable to start container process: error during container init: chdir"}`:                                                                  "chdir",
		`{"level":"fatal","msg":"the end"}`: "the end",
	} {
		if got := fmt.Sprint(Failure([]byte(log))); got != want {
			t.Errorf("log %s: error %s, want %s", log, got, want)
		}
	}
}
