package build

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"slipway/solver/export"
)

// TestStaged: an output of a builder is moved to its destination when the build
// has succeeded; what is no file is written in place.
func TestStaged(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	device := filepath.Join(dir, "null")
	if err := os.Symlink("/dev/null", device); err != nil {
		t.Fatal(err)
	}
	for dest, want := range map[string]string{"link": "real", "file": "file", "null": ""} {
		s, err := stage(Output{Type: "tar", Dest: filepath.Join(dir, dest)}, export.Outputs{Notes: filepath.Join(t.TempDir(), "notes")})
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, dest); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want != "" {
			if _, err := os.Stat(filepath.Join(dir, want)); err == nil {
				t.Errorf("%s: is there before the build has succeeded", dest)
			}
		}
		r := &delegate{staged: []*staged{s}}
		if err := r.keep(io.Discard); err != nil {
			t.Fatal(err)
		}
		r.discard()
		if want == "" {
			continue
		}
		if data, err := os.ReadFile(filepath.Join(dir, want)); err != nil || string(data) != dest {
			t.Errorf("%s: %q, %v", dest, data, err)
		}
	}
	for link, want := range map[string]string{"link": "real", "null": "/dev/null"} {
		if got, err := os.Readlink(filepath.Join(dir, link)); got != want || err != nil {
			t.Errorf("%s leads to %q, %v, want %q", link, got, err, want)
		}
	}
	if list, err := filepath.Glob(filepath.Join(dir, ".slipway-*")); err != nil || len(list) > 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// TestKilledOnBuilder: a build on a builder removes what builds before it left
// that were killed, but not what another one writes.
func TestKilledOnBuilder(t *testing.T) {
	o := Options{State: t.TempDir()}
	dir := t.TempDir()
	hold := func() (export.Outputs, func()) {
		t.Helper()
		outputs, release, err := o.holdOutputs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return outputs, release
	}
	left := func() int {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(dir, "*", ".slipway-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	outputs, killed := hold()
	for _, out := range []Output{{Type: "local", Dest: filepath.Join(dir, "files")}, {Type: "oci", Dest: filepath.Join(dir, "images", "x.tar")}} {
		if _, err := stage(out, outputs); err != nil {
			t.Fatal(err)
		}
	}
	_, release := hold()
	if n := left(); n != 2 {
		t.Errorf("beside a build that writes two outputs %d are half-written", n)
	}
	release()
	killed() // as the kernel does
	_, release = hold()
	defer release()
	if n := left(); n != 0 {
		t.Errorf("%d outputs of a killed build are left", n)
	}
	if _, _, err := (&Options{}).holdOutputs(t.Context()); err != nil {
		t.Errorf("without a state directory: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := o.holdOutputs(ctx); err == nil {
		t.Error("a canceled build holds outputs")
	}
}
