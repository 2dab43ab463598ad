package baseimage

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTrees checks the files of base images that come from directories embedded in this
// package. It needs no busybox.
func TestTrees(t *testing.T) {
	for distribution, want := range map[string][]string{
		"busybox": {"bin/addgroup 755", "bin/adduser 755", "etc/passwd 644", "etc/group 644"},
		"alpine":  {"bin/addgroup 755", "bin/adduser 755", "etc/passwd 644", "etc/alpine-release 644", "etc/group 644", "etc/os-release 644"},
	} {
		t.Run(distribution, func(t *testing.T) {
			first, second := tree(t, distribution), tree(t, distribution)
			if !bytes.Equal(first, second) {
				t.Error("two runs give different bytes")
			}
			var got []string
			for tr := tar.NewReader(bytes.NewReader(first)); ; {
				h, err := tr.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				mode := " 644"
				if h.Mode == 0o755 {
					mode = " 755"
				}
				got = append(got, h.Name+mode)
				if !h.ModTime.Equal(epoch()) || h.Uid != 0 || h.Gid != 0 {
					t.Errorf("%s: time %s, owner %d:%d", h.Name, h.ModTime, h.Uid, h.Gid)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func tree(t *testing.T, distribution string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := &layerWriter{tw: tar.NewWriter(&buf)}
	for _, dir := range []string{"rootfs/common", "rootfs/" + distribution} {
		if err := w.copyTree(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
