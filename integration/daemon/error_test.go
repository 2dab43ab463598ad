//go:build integration

package daemon

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/integration/rig"
)

// TestError checks that buildctl prints the same errors with our frontend as with upstream's.
func TestError(t *testing.T) {
	for _, c := range readCases(t, "error") {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, want := buildError(t, c.withSyntax(ours)), buildError(t, c.withSyntax(upstream))
			gotSource, gotText := splitError(got)
			wantSource, wantText := splitError(want)
			for _, prefix := range []string{"error: ", "failed to solve: ", "failed to run Build function: "} {
				wantText = strings.TrimPrefix(wantText, prefix) // buildctl prints one of two prefixes, depending on timing
			}
			if !strings.Contains(gotText, wantText) {
				t.Errorf("%s\nerror: %s\nwant:  %s", c.About, gotText, wantText)
			}
			diff := cmp.Diff(lines(wantSource), lines(gotSource))
			if diff != "" && c.Differs == "" {
				t.Errorf("%s\nsource lines (-upstream +ours):\n%s", c.About, diff)
			}
			if diff == "" && c.Differs != "" {
				t.Errorf("%s\nsource lines are equal now: remove the header differs: %s", c.About, c.Differs)
			}
			if len(c.Errors) == 0 {
				t.Error("the case has no file error")
			}
			for _, line := range c.Errors {
				if !strings.Contains(got, line) {
					t.Errorf("%s\nmissing: %s\nin:\n%s", c.About, line, got)
				}
			}
		})
	}
}

// buildError runs a build with buildctl that must fail. It returns the end of the output,
// starting with the source lines. A build that fails with [rig.StartTimeout] runs once more.
func buildError(t *testing.T, req rig.Request) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(req.Dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--addr", shared.Socket, "build", "--progress=quiet",
		"--frontend", "dockerfile.v0", "--local", "context=" + req.Context, "--local", "dockerfile=" + dir,
	}
	for key, value := range req.Attrs {
		args = append(args, "--opt", key+"="+value)
	}
	out, err := rig.CombinedOutput(func() *exec.Cmd { return exec.CommandContext(t.Context(), shared.Buildctl, args...) })
	if err == nil {
		t.Fatalf("the build does not fail:\n%s", out)
	}
	text := string(out)
	if i := strings.Index(text, "Dockerfile:"); i >= 0 {
		text = text[i:]
	}
	return maskRandom(text)
}

// maskRandom replaces parts of an error text that differ between runs, such as references,
// with fixed words.
func maskRandom(text string) string {
	text = strings.NewReplacer(ours, "FRONTEND", upstream, "FRONTEND").Replace(text)
	for _, r := range []struct{ pattern, with string }{
		{`ref [a-z0-9]{25}::[a-z0-9]{25}`, "ref REF"},
		{`runc run failed: .*`, "runc run failed: REASON"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}

// splitError splits an error text into the source lines and the message.
func splitError(text string) (source, message string) {
	if i := strings.LastIndex(text, "error: "); i >= 0 {
		return text[:i], strings.TrimSpace(text[i:])
	}
	return "", strings.TrimSpace(text)
}
