//go:build unix

package builder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"slipway/internal/testcontext"
)

// TestFIFOs checks that a build does not block if one of its input files is a FIFO.
func TestFIFOs(t *testing.T) {
	for about, tc := range map[string]struct {
		fifo string // path of the FIFO in the context
		set  func(o *Options)
		want string // expected error; "" if the build succeeds
	}{
		"Dockerfile":  {"Dockerfile", nil, "open Dockerfile: not a regular file"},
		"ignore file": {".dockerignore", nil, ".dockerignore: is not a regular file"},
		"own ignore":  {"Dockerfile.dockerignore", nil, "Dockerfile.dockerignore: is not a regular file"},
		"context":     {"d/f", nil, ""},
		"layout": {"l/index.json", func(o *Options) {
			o.Contexts = map[string]string{"base": "oci-layout://" + filepath.Join(o.Context, "l")}
		}, "l/index.json: is not a regular file"},
		"archive": {"l", func(o *Options) {
			o.Contexts = map[string]string{"base": "oci-layout://" + filepath.Join(o.Context, "l")}
		}, "is neither a directory nor a file"},
		"cache": {"c/index.json", func(o *Options) {
			o.CacheFrom = entry(t, "type=local,src="+filepath.Join(o.Context, "c"))
		}, ""}, // a cache that cannot be read is a warning
	} {
		dir := testcontext.New(t, "FROM scratch\nCOPY --from=base . /base/\nCOPY . /\n")
		if about == "Dockerfile" {
			if err := os.Remove(filepath.Join(dir, about)); err != nil {
				t.Fatal(err)
			}
		}
		fifo := filepath.Join(dir, tc.fifo)
		if err := errors.Join(os.MkdirAll(filepath.Dir(fifo), 0o700), syscall.Mkfifo(fifo, 0o600)); err != nil {
			t.Fatal(err)
		}
		o := options(t, "")
		o.Context, o.Contexts = dir, map[string]string{"base": filepath.Join(dir, "base")}
		if tc.set != nil {
			tc.set(&o)
		}
		err := Run(t.Context(), o)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", about, err, tc.want)
		}
	}
}

// TestOutputToPipe checks that an output is written to a named pipe and does not replace it.
func TestOutputToPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		data, _ := os.ReadFile(pipe)
		read <- string(data)
	}()
	o := options(t, "FROM scratch\nCOPY a /told\n")
	o.Outputs = []Output{{Type: "tar", Dest: pipe}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the pipe became %v, %v", info, err)
	} else if got := <-read; !strings.Contains(got, "told") {
		t.Errorf("the pipe got %d bytes", len(got))
	}
}
