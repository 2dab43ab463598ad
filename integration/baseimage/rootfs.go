package baseimage

import (
	"archive/tar"
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Busybox is the path of the statically linked busybox, on this machine and in every image.
// Debian's package busybox-static installs it.
const Busybox = "/bin/busybox"

//go:embed rootfs
var rootfs embed.FS

// epoch returns the modification time of every file in the base images. A constant time makes
// layers reproducible.
func epoch() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }

// A layerWriter writes the entries of one layer. Root owns all entries.
type layerWriter struct {
	tw  *tar.Writer
	err error
}

func (w *layerWriter) entry(h tar.Header, content []byte) {
	if w.err != nil {
		return
	}
	if h.ModTime.IsZero() {
		h.ModTime = epoch()
	}
	h.Size, h.Format = int64(len(content)), tar.FormatPAX
	if w.err = w.tw.WriteHeader(&h); w.err == nil {
		_, w.err = w.tw.Write(content)
	}
}

func (w *layerWriter) dir(name string, mode int64) {
	w.entry(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}, nil)
}

func (w *layerWriter) file(name string, mode int64, content []byte) {
	w.entry(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, content)
}

func (w *layerWriter) symlink(name, target string) {
	w.entry(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

// copyTree adds the files in an embedded directory to the layer. It makes the files below bin
// executable.
func (w *layerWriter) copyTree(dir string) error {
	return fs.WalkDir(rootfs, dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := rootfs.ReadFile(path)
		if err != nil {
			return err
		}
		name, mode := strings.TrimPrefix(path, dir+"/"), int64(0o644)
		if strings.HasPrefix(name, "bin/") {
			mode = 0o755
		}
		w.file(name, mode, content)
		return w.err
	})
}

// rootLayer returns the root filesystem of a distribution as a layer: busybox, one link per
// applet, and the files in the directory of rootfs named after the distribution.
func rootLayer(ctx context.Context, distribution string) (v1.Layer, error) {
	applets, err := exec.CommandContext(ctx, Busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", Busybox, err)
	}
	var buf bytes.Buffer
	w := &layerWriter{tw: tar.NewWriter(&buf)}
	for _, dir := range []string{
		"bin", "dev", "etc", "home", "proc", "sbin", "sys",
		"usr", "usr/bin", "usr/local", "usr/local/bin", "usr/sbin", "var",
	} {
		w.dir(dir, 0o755)
	}
	w.dir("root", 0o700)
	w.dir("tmp", 0o1777)
	if err := w.busybox(); err != nil {
		return nil, err
	}
	for applet := range strings.Lines(string(applets)) {
		applet = strings.TrimSpace(applet)
		// Some busybox versions also list paths. rootfs contains its own adduser and addgroup.
		if applet == "busybox" || applet == "adduser" || applet == "addgroup" || strings.Contains(applet, "/") {
			continue
		}
		w.symlink("bin/"+applet, Busybox)
	}
	for _, dir := range []string{"rootfs/common", "rootfs/" + distribution} {
		if err := w.copyTree(dir); err != nil {
			return nil, err
		}
	}
	return w.layer(&buf)
}

// busybox adds the busybox program to the layer.
func (w *layerWriter) busybox() error {
	busybox, err := os.ReadFile(Busybox)
	if err != nil {
		return fmt.Errorf("%w (apt-get install busybox-static)", err)
	}
	w.file("bin/busybox", 0o755, busybox)
	return w.err
}

// layer finishes the archive that w wrote to buf and returns it as a layer.
func (w *layerWriter) layer(buf *bytes.Buffer) (v1.Layer, error) {
	if w.err != nil {
		return nil, w.err
	}
	if err := w.tw.Close(); err != nil {
		return nil, err
	}
	return layerOf(buf.Bytes())
}

func layerOf(content []byte) (v1.Layer, error) {
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
}
