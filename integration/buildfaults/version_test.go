//go:build integration

package buildfaults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"slipway/integration/toolbox"
)

// otherVersion compiles a variant of slipway that differs only in the format version of the
// state directory. It returns the path of the program.
func otherVersion(t *testing.T) string {
	t.Helper()
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "builder", "state", "format.go")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const mark = "const formatVersion = \""
	if !strings.Contains(string(data), mark) {
		t.Fatalf("%s does not contain %q", file, mark)
	}
	dir := t.TempDir()
	changed, overlay, other := filepath.Join(dir, "format.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "other")
	for name, text := range map[string]string{
		changed: strings.Replace(string(data), mark, mark+"other ", 1),
		overlay: fmt.Sprintf("{\"Replace\": {%q: %q}}", file, changed),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-C", root, "-overlay", overlay, "-o", other, "./cmd/slipway")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return other
}

// TestVersions runs builds of two versions of slipway with the same state directory, first in
// turns and then concurrently. Whenever a build uses a state of the other version, it must
// print one line about the change. Cache mounts and stored images must remain. A concurrent
// build must either have the right result or fail with one line.
func TestVersions(t *testing.T) {
	s := newDamagedSite(t)
	programs := []string{program, otherVersion(t)}
	copyState(t, s.pristine, s.state)
	const warning = "warning: the state directory is of another version of slipway: its cached results were removed"
	args, check := s.exported()
	for i := 1; i < 5; i++ {
		s.program = programs[i%2]
		for _, want := range []string{warning, ""} {
			messages, steps := s.run(fmt.Sprint("turn ", i), args)
			if strings.Join(messages, "\n") != want || len(steps) > 0 != (want != "") {
				t.Errorf("turn %d: messages %q, steps %q, want %q", i, messages, steps, want)
			}
			check()
			if data, err := os.ReadFile(s.mountedIfAny()); err != nil || string(data) != "kept\n" {
				t.Errorf("turn %d: the cache mount contains %q, %v", i, data, err)
			}
		}
	}
	var all errgroup.Group
	const builds = 6
	refused := make([]int, len(programs))
	for p, program := range programs {
		all.Go(func() error {
			for range builds {
				c := *s.site
				c.program = program
				dest := filepath.Join(s.dir, fmt.Sprint("version-", p))
				out, err := c.command("-o", dest).CombinedOutput()
				text := string(out)
				if at := strings.Index(text, "error: "); err != nil && at >= 0 && strings.Contains(text[at:], "another version of slipway is using") && strings.Count(text[at:], "\n") == 1 {
					refused[p]++
					continue
				}
				data, readErr := os.ReadFile(filepath.Join(dest, "four"))
				if err != nil || readErr != nil || string(data) != "content 0\none\ntwo\n" || strings.Contains(text, "damaged") {
					return fmt.Errorf("program %d: %w, /four contains %q, %w\n%s", p, err, data, readErr, text)
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%v of %d builds were refused", refused, builds)
	for range 2 { // the first one may be of the other version
		s.run("after concurrent builds", args)
		check()
	}
	s.checkNoTemp()
	if messages, steps := s.run("last build", args); len(messages) > 0 || len(steps) > 0 {
		t.Errorf("last build: messages %q, steps %q, want none", messages, steps)
	}
}
