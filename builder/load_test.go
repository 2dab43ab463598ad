package builder

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLoad checks an output with the field Load. The build must start docker load, which is
// a script in this test, send an image to it, and log the output of the script.
func TestLoad(t *testing.T) {
	o := options(t, "FROM scratch\nCOPY a /\n")
	o.Tags, o.Outputs = []string{"x"}, []Output{{Type: "docker", Load: true}}
	var log bytes.Buffer
	o.Log = &log
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "needs the program docker") {
		t.Errorf("without docker: %v", err)
	}
	docker := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	loaded := filepath.Join(dir, "loaded")
	docker("[ \"$*\" = load ] || exit 9\n/bin/cat > " + loaded + "\necho Loaded image: x\n")
	if err := Run(t.Context(), o); err != nil || !strings.HasSuffix(log.String(), "Loaded image: x\n") {
		t.Errorf("%v, logged %s", err, log.String())
	}
	data, err := os.ReadFile(loaded)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err != nil {
			break
		}
		names[h.Name] = true
	}
	if !names["manifest.json"] || !names["index.json"] {
		t.Errorf("loaded %v", names)
	}
	docker("echo no engine >&2; exit 1\n")
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "docker load: exit status 1: no engine") {
		t.Errorf("failing engine: error %v", err)
	}
}
