package imagetree

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func layerOf(t *testing.T, headers ...*tar.Header) v1.Layer {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, h := range headers {
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buf.Bytes())), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestRead checks that a description contains all compared properties and no times.
func TestRead(t *testing.T) {
	img, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: layerOf(t,
			&tar.Header{Typeflag: tar.TypeReg, Name: "b/f", Mode: 0o4755, Uid: 7, Gid: 8, Size: 3, ModTime: time.Unix(5, 0), PAXRecords: map[string]string{"SCHILY.xattr.user.k": "v"}},
			&tar.Header{Typeflag: tar.TypeDir, Name: "b/", Mode: 0o1777},
			&tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "b/f", Mode: 0o777},
			&tar.Header{Typeflag: tar.TypeChar, Name: "c", Devmajor: 1, Devminor: 3, Mode: 0o666},
		),
		History: v1.History{CreatedBy: "test", Created: v1.Time{Time: time.Unix(9, 0)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		t.Fatalf("%d images, want 1", len(got))
	}
	want := `config
{
  "architecture": "",
  "config": {},
  "history": [
    {
      "created_by": "test"
    }
  ],
  "os": "",
  "rootfs": {
    "diff_ids": 1,
    "type": "layers"
  }
}
layer 0
symlink  0777 0:0        0 a -> b/f
dir      1777 0:0        0 b
file     4755 7:8        3 b/f sha256:cd2eb0837c9b4c96 xattrs user.k="v"
char     0666 0:0        0 c dev 1:3
`
	if diff := cmp.Diff(want, got[0].String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
