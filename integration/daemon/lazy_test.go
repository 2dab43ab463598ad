//go:build integration

package daemon

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/rig"
)

// TestPruned checks that the builder does not execute a stage that the target does not need, and
// does not pull the base image of the stage. The base image does not exist, so that pulling it
// would fail.
func TestPruned(t *testing.T) {
	c := testCase{request: rig.Request{Dockerfile: `FROM nosuchimage AS unused
RUN exit 1
FROM busybox AS also-unused
RUN --mount=from=unused,target=/u exit 1
FROM busybox
RUN true
`}}
	res, err := shared.Build(t.Context(), c.withSyntax(ours))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range res.Names() {
		if strings.Contains(name, "nosuchimage") || strings.Contains(name, "exit 1") {
			t.Errorf("the build has step %q", name)
		}
	}
}

// TestContextFilter checks that the builder requests only those files of the context that an
// instruction in a needed stage names.
func TestContextFilter(t *testing.T) {
	const big = 4 << 20
	dir := t.TempDir()
	content := make([]byte, big)
	if _, err := rand.Read(content); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "unused"), content)
	writeFile(t, filepath.Join(dir, "sub", "used"), []byte("used\n"))
	for name, tc := range map[string]struct {
		dockerfile string
		wantAll    bool // set if the whole context must be transferred
	}{
		"COPY of one file":    {"FROM scratch AS pruned\nCOPY . /\nFROM scratch\nCOPY sub/used /\n", false},
		"mount of one folder": {"FROM busybox\nRUN --mount=source=sub,target=/m cat /m/used\n", false},
		"COPY of everything":  {"FROM scratch\nCOPY . /\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, frontend := range []string{ours, upstream} {
				c := testCase{request: rig.Request{Dockerfile: tc.dockerfile, Context: copyContext(t, dir)}}
				res, err := shared.Build(t.Context(), c.withSyntax(frontend))
				if err != nil {
					t.Fatal(err)
				}
				sent := res.Sent["transferring context:"]
				if sent == 0 {
					t.Errorf("%s: the transferred bytes are not reported: %v", frontend, res.Sent)
				}
				if (sent >= big) != tc.wantAll {
					t.Errorf("%s: %d bytes of the context were transferred", frontend, sent)
				}
			}
		})
	}
}

// copyContext copies a context to a new directory. If the builder already knows a directory, it
// requests only changed files, and a test would not notice the transfer of other files.
func copyContext(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
