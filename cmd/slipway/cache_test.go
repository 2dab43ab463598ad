package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"slipway/internal/testcontext"
)

// TestConfirm checks that confirm returns an error unless the answer is yes.
func TestConfirm(t *testing.T) {
	for answer, want := range map[string]string{
		"y\n": "", "Y\n": "", "yes\n": "", "y": "",
		"n\n": "canceled", "\n": "canceled", "yet\n": "canceled", "": "use --force",
	} {
		var asked strings.Builder
		err := confirm(t.Context(), strings.NewReader(answer), &asked, "Continue? ")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("answer %q: error %v, want %q", answer, err, want)
		}
		if !strings.HasPrefix(asked.String(), "Continue? ") {
			t.Errorf("answer %q: asked %q", answer, &asked)
		}
	}
	in, _ := io.Pipe() // a user who never answers
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := confirm(ctx, in, io.Discard, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: error %v, want %v", err, context.Canceled)
	}
}

// TestPruneKeepsMounts checks that cache prune removes nothing without confirmation, and
// removes cache mounts only if a flag requests it.
func TestPruneKeepsMounts(t *testing.T) {
	dir, state := testcontext.New(t, "FROM scratch\nCOPY base /\nCOPY a /\nRUN --mount=type=cache,target=/c cat a > /c/b\n"), t.TempDir()
	build := func() {
		t.Helper()
		if code, told := slipway(t, "build", "--state", state, "--runner", "portable", "--progress", "none", dir); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, told)
		}
	}
	build()
	has := func(kinds ...string) {
		t.Helper()
		_, out, _ := slipwayOut(t, "cache", "ls", "--state", state)
		for _, kind := range []string{"source.local", "regular", "exec.cachemount"} {
			if got, want := strings.Contains(out, kind), strings.Contains(strings.Join(kinds, " "), kind); got != want {
				t.Errorf("the cache has %s: %t, want %t:\n%s", kind, got, want, out)
			}
		}
	}
	has("source.local", "regular", "exec.cachemount")
	for _, tc := range []struct {
		args string
		code int
		told string
		has  string
	}{
		{"", exitUsage, "This will remove the build cache in " + state, "source.local regular exec.cachemount"},
		{"--all", exitUsage, "This will remove all of the build cache, cache mounts included, in " + state, "source.local regular exec.cachemount"},
		{"-f --filter type=source.local", 0, "", "regular exec.cachemount"},
		{"-f --max-used-space 1TB --min-free-space 1kB", 0, "", "regular exec.cachemount"},
		{"-f --keep-storage 1GB", 0, "", "regular exec.cachemount"},
		{"-f --reserved-space 1GB", 0, "", "regular exec.cachemount"},
		{"-f", 0, "", "exec.cachemount"},
		{"-f --filter type=exec.cachemount", 0, "", ""},
		{"--min-free-space x", exitUsage, "--min-free-space x: ", ""},
		{"--min-free-space 99999999999GB", exitUsage, "--min-free-space 99999999999GB: too large", ""},
		{"--filter x=y", exitUsage, `unknown filter "x" (use until, type, id or description)`, ""},
	} {
		code, told := slipway(t, append([]string{"cache", "prune", "--state", state}, strings.Fields(tc.args)...)...)
		if code != tc.code || !strings.Contains(told, tc.told) {
			t.Errorf("prune %s: exit code %d, want %d; told %q, want %q", tc.args, code, tc.code, told, tc.told)
		}
		has(strings.Fields(tc.has)...)
	}
	build()
	has("source.local", "regular", "exec.cachemount")
	if code, told := slipway(t, "cache", "prune", "--state", state, "--force", "--all"); code != 0 {
		t.Errorf("prune --all: exit code %d, %s", code, told)
	}
	has()
}
