package builder

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/builder/state"
	"slipway/internal/testcontext"
)

// options returns options to build dockerfile, the text of a Dockerfile, with the
// portable runner. The build context contains a directory named base, which Dockerfiles
// can copy as the root file system of RUN steps.
func options(t *testing.T, dockerfile string) Options {
	t.Helper()
	return Options{Context: testcontext.New(t, dockerfile), State: t.TempDir(), Runner: "portable", Now: time.Now}
}

const testDockerfile = "FROM scratch\nCOPY base /\nCOPY a /\nRUN --mount=type=cache,target=/c cat a > /b; echo x > /c/x\n"

// TestRelativeState checks that a build makes the path of a relative state directory absolute,
// because RUN steps do not run in the working directory of this process.
func TestRelativeState(t *testing.T) {
	t.Chdir(t.TempDir())
	o := options(t, testDockerfile)
	o.State = "state"
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	s, err := openLocal(&o, nil)
	if err != nil || !filepath.IsAbs(s.Path) {
		t.Errorf("state directory %s, %v", s.Path, err)
	}
}

// TestPrunedFiles checks that, after a prune, a build reads the context files again and does
// not report that the state directory is damaged.
func TestPrunedFiles(t *testing.T) {
	o := options(t, testDockerfile)
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Prune(t.Context(), o.State, o.Now, state.PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	o.Log, o.Outputs = &log, []Output{{Type: "local", Dest: t.TempDir()}}
	if err := Run(t.Context(), o); err != nil || log.Len() > 0 {
		t.Errorf("%v, log %s", err, &log)
	}
}

func TestContexts(t *testing.T) {
	o := options(t, "FROM other\nCOPY --from=third a /z\n")
	second := options(t, "")
	o.Contexts = map[string]string{"other": filepath.Join(second.Context, "base"), "third": second.Context}
	o.Outputs = []Output{{Type: "local", Dest: t.TempDir()}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"z", "bin/sh"} {
		if _, err := os.Stat(filepath.Join(o.Outputs[0].Dest, name)); err != nil {
			t.Error(err)
		}
	}
	archive := filepath.Join(t.TempDir(), "saved.tar")
	save := options(t, "FROM scratch\nCOPY a /of-archive\n")
	save.Outputs = []Output{{Type: "docker", Dest: archive}}
	save.Tags = []string{"saved:1"}
	if err := Run(t.Context(), save); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"docker-archive://" + archive, "docker-archive://" + archive + ":saved:1", "oci-layout://" + archive + ":1"} {
		o := options(t, "FROM saved\nCOPY --from=saved of-archive /copied\n")
		o.Contexts = map[string]string{"saved": value}
		o.Outputs = []Output{{Type: "local", Dest: t.TempDir()}}
		if err := Run(t.Context(), o); err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		for _, name := range []string{"of-archive", "copied"} {
			if _, err := os.Stat(filepath.Join(o.Outputs[0].Dest, name)); err != nil {
				t.Errorf("%s: %v", value, err)
			}
		}
	}
	for value, want := range map[string]string{
		"docker-archive://" + archive + ":other": "build context x: " + archive + ": it has 0 images that are called \"other\", there are docker.io/library/saved:1, 1",
		"docker-archive:///does/not/exist":       "build context x: /does/not/exist: ",
		"/does/not/exist":                        "build context x: directory /does/not/exist does not exist",
		"ftp://x":                                "build context x: ftp://x is neither a directory",
		"oci-layout:///no/way":                   "build context x: ",
	} {
		o.Contexts = map[string]string{"x": value}
		if err := Run(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", value, err, want)
		}
	}
}
