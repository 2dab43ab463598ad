package builder

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"slipway/internal/slowtest"
)

// TestCancel cancels builds at random moments. It checks that a canceled build returns
// the context's error and leaves no goroutine, and that its output is either complete or
// unchanged.
func TestCancel(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	const seed = 1
	r := rand.New(rand.NewPCG(seed, seed))
	o := options(t, damagedDockerfile+"FROM scratch AS other\nCOPY base /\nRUN while :; do cat /bin/sh; done\nFROM scratch\nCOPY --from=0 /c /\n")
	for i := range 50 {
		if err := os.WriteFile(filepath.Join(o.Context, "base", string(rune('a'+i))), []byte(strings.Repeat("x", i*1000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	want := buildArchive(t, o)
	took := time.Since(start)
	dest := filepath.Join(t.TempDir(), "image.tar")
	before := runtime.NumGoroutine()
	cancelled := 0
	for i := range 40 {
		c := o
		c.NoCache = i%2 == 0
		c.BuildArgs = map[string]string{"SOURCE_DATE_EPOCH": "1"}
		c.Outputs = []Output{{Type: "oci", Dest: dest, Attrs: rewriteTimes()}, {Type: "local", Dest: filepath.Join(filepath.Dir(dest), "files")}}
		if i%4 == 3 {
			c.Target = "other" // a stage that does not end unless it is canceled
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(r.Int64N(int64(took))), cancel)
		err := Run(ctx, c)
		switch {
		case errors.Is(err, context.Canceled):
			cancelled++
		case err != nil:
			t.Errorf("build %d: %v", i, err)
		}
		if data, err := os.ReadFile(dest); err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(data, want) {
			t.Errorf("build %d: incomplete archive: %v", i, err)
		}
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(dest), "*", ".slipway-*")); err != nil || len(left) > 0 {
			t.Errorf("build %d left %v", i, left)
		}
		soundState(t, o.State)
	}
	if cancelled == 0 {
		t.Error("no build was canceled")
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i == 200 {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, there were %d\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !bytes.Equal(buildArchive(t, o), want) {
		t.Error("the next build produces a different image")
	}
}

// TestOutputLinks checks that an output follows no symbolic links below its destination,
// while the destination itself may be a link.
func TestOutputLinks(t *testing.T) {
	o := options(t, "FROM scratch\nCOPY a /dir/a\nCOPY a /file\nCOPY a /gone/a\n")
	outside, top := t.TempDir(), t.TempDir()
	dest := filepath.Join(top, "real")
	if err := os.Mkdir(dest, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "file"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"real/dir": outside, "real/file": filepath.Join(outside, "file"), "real/gone": filepath.Join(outside, "none"), "link": "real"} {
		if err := os.Symlink(to, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	o.Outputs = []Output{{Type: "local", Dest: filepath.Join(top, "link")}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(outside, "file")); err != nil || string(data) != "mine" || len(files(t, outside)) != 1 {
		t.Errorf("outside: %q, %v, %v", data, err, files(t, outside))
	}
	for _, name := range []string{"dir/a", "file", "gone/a"} {
		if info, err := os.Lstat(filepath.Join(dest, name)); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: %v", name, err)
		}
	}
}
