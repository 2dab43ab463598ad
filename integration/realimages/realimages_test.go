//go:build integration

package realimages

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/builder"
	"slipway/integration/builds"
	"slipway/integration/rig"

	"slipway/solver/runner/namespace"
)

var (
	only    = flag.String("only", "*", "glob `pattern` of the directories in testdata to build")
	verbose = flag.Bool("verbose", false, "print each image")
)

func TestMain(m *testing.M) {
	namespace.Main() // runs and exits if this is a child process of a build
	flag.Parse()
	os.Exit(m.Run())
}

// TestBuilds checks that our solver creates the same images as BuildKit for the builds in
// testdata, as root and as an ordinary user.
func TestBuilds(t *testing.T) {
	base, err := Base(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rig.Start(t.Context(), rig.Options{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if err := r.PushImage(t.Context(), "library/debian:latest", base); err != nil {
		t.Fatal(err)
	}
	user, err := NewUser(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	values, err := secrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	goroot, err := output(t.Context(), "go", "env", "GOROOT")
	if err != nil {
		t.Fatal(err)
	}
	run := &builds.Runner{Rig: r, State: filepath.Join(r.Dir, "state"), Dir: r.Dir, Start: time.Now(), MustBuild: true}
	if *verbose {
		run.Log = os.Stderr
	}
	dirs, err := filepath.Glob("testdata/" + *only)
	if err != nil || len(dirs) == 0 {
		t.Fatalf("-only %s: no such directory of testdata (%v)", *only, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			dockerfile, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
			if err != nil {
				t.Fatal(err)
			}
			diffs, err := run.CompareBuild(t.Context(), rig.Request{
				Dockerfile: string(dockerfile), Context: dir, Secrets: values,
				Attrs:    withContext(proxies()),
				Contexts: map[string]string{"golang": strings.TrimSpace(string(goroot))},
			}, builder.Run, user.Solve)
			if err != nil {
				t.Fatal(err)
			}
			for n, who := range []string{"root", "an ordinary user"} {
				diff, files := unexcused(diffs[n])
				if diff != "" {
					t.Errorf("images differ (-BuildKit +solver of %s):\n%s", who, diff)
				}
				t.Logf("solver of %s: %d files have an excuse: %s", who, len(files), strings.Join(files, "; "))
			}
		})
	}
}

// withContext returns a copy of the frontend options attrs with the additional named context
// golang. This context is the local directory that the request calls golang.
func withContext(attrs map[string]string) map[string]string {
	attrs = maps.Clone(attrs)
	attrs["context:golang"] = "local:golang"
	return attrs
}
