//go:build integration

package daemon

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"slipway/integration/baseimage"
	"slipway/integration/imagetree"
	"slipway/integration/rig"
)

var largeFiles = flag.Int("large-files", 300, "number of files of the base in TestLargeBase")

// TestLargeBase checks that all ways of running steps build the same image as BuildKit on a base with
// many files, some of which are devices, setuid and setgid programs, hard links, or have extended
// attributes. The steps change few of them.
func TestLargeBase(t *testing.T) {
	ways := newWays(t)
	if err := shared.PushImage(t.Context(), "large/base:1", largeBase(t, *largeFiles)); err != nil {
		t.Fatal(err)
	}
	for _, w := range ways {
		switch w.runner {
		case "namespace":
			compareLarge(t, w, largeDockerfile+largeDevices)
		case "chroot": // has no devices of the image
			compareLarge(t, w, largeDockerfile)
		}
	}
}

// compareLarge compares the image that the way w builds of a Dockerfile with BuildKit's.
func compareLarge(t *testing.T, w *way, text string) {
	t.Helper()
	req := rig.Request{Attrs: map[string]string{}, Dockerfile: text, Context: t.TempDir()}
	images, err := buildWithBuildKit(t, req)
	if err != nil {
		t.Fatal(err)
	}
	want, start := changedLayers(images), time.Now()
	if images, err = solveImage(t, req, setState(w.state, w.runner)); err != nil {
		t.Errorf("%s: %v", w.name, err)
		return
	}
	t.Logf("%s: %v", w.name, time.Since(start).Round(time.Millisecond))
	if diff := imagetree.Difference(want, changedLayers(images)); diff != "" {
		t.Errorf("image (-BuildKit +%s):\n%s", w.name, diff)
	}
}

// largeDockerfile changes, replaces, links, moves and removes files of the base. A user executes
// its setuid program.
const largeDockerfile = `FROM localhost:5000/large/base:1
RUN echo changed > /many/d0/f0; chmod 4711 /many/d0/f1; chown 5:6 /many/d1/f1; rm /many/d0/f2; touch -d @1000 /many/d1/f0
RUN mv /many/d1 /many/moved && ln /many/d2/f0 /many/d2/linked && rm -r /many/d0
RUN chmod 0700 /special/setgid && chmod 2755 /special/setgid && echo x >> /special/hard
USER 12:34
RUN /special/su root -c 'id -u' > /tmp/user && cat /special/hard > /tmp/hard && ls /many | wc -l > /tmp/count
`

// largeDevices are steps that use devices of the base.
const largeDevices = `USER 0
RUN rm /special/disk && chmod 600 /special/null && echo x > /special/null && stat -c '%n %F %a %u:%g %t:%T' /special/* > /tmp/special
`

// changedLayers returns the description of images without the layers of the base.
func changedLayers(images []imagetree.Image) string {
	const base = 2
	text := ""
	for _, i := range images {
		i.Layers = i.Layers[min(base, len(i.Layers)):]
		text += i.String()
	}
	return text
}

// largeBase returns the image busybox with another layer, which has n files below /many, and
// unusual ones below /special.
func largeBase(t *testing.T, n int) v1.Image {
	t.Helper()
	ref, err := name.ParseReference(shared.Addr+"/library/busybox:latest", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	busybox, err := remote.Image(ref, remote.WithContext(t.Context()), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(baseimage.Busybox)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeLargeLayer(&b, n, string(program)); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(busybox, layer)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// writeLargeLayer writes the second layer of the base as a tar archive. Each directory has 100 of
// the n files. The setuid program is busybox.
func writeLargeLayer(w io.Writer, n int, busybox string) error {
	tw := tar.NewWriter(w)
	var failed error
	add := func(h tar.Header, content string) {
		h.Size, h.ModTime, h.Format = int64(len(content)), time.Unix(1_600_000_000, 0), tar.FormatPAX
		err := tw.WriteHeader(&h)
		_, errWrite := io.WriteString(tw, content)
		failed = errors.Join(failed, err, errWrite)
	}
	add(tar.Header{Typeflag: tar.TypeDir, Name: "many/", Mode: 0o755}, "")
	for i := range n {
		if i%100 == 0 {
			add(tar.Header{Typeflag: tar.TypeDir, Name: fmt.Sprintf("many/d%d/", i/100), Mode: 0o755}, "")
		}
		add(tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("many/d%d/f%d", i/100, i%100), Mode: 0o644, Uid: i % 3}, fmt.Sprint(i))
	}
	add(tar.Header{Typeflag: tar.TypeDir, Name: "special/", Mode: 0o755}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644}, "root::0:0::/:/bin/sh\nme::12:34::/:/bin/sh\n")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "special/su", Mode: 0o4755}, busybox)
	add(tar.Header{Typeflag: tar.TypeReg, Name: "special/setuid", Mode: 0o4755, Uid: 7}, "a program")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "special/setgid", Mode: 0o2755, Gid: 8}, "a program")
	add(tar.Header{Typeflag: tar.TypeChar, Name: "special/null", Mode: 0o666, Devmajor: 1, Devminor: 3}, "")
	add(tar.Header{Typeflag: tar.TypeBlock, Name: "special/disk", Mode: 0o600, Devmajor: 7, Devminor: 99}, "")
	add(tar.Header{Typeflag: tar.TypeFifo, Name: "special/pipe", Mode: 0o600}, "")
	add(tar.Header{Typeflag: tar.TypeReg, Name: "special/hard", Mode: 0o644}, "two names")
	add(tar.Header{Typeflag: tar.TypeLink, Name: "special/link", Linkname: "special/hard", Mode: 0o644}, "")
	add(tar.Header{
		Typeflag: tar.TypeReg, Name: "special/attribute", Mode: 0o644, PAXRecords: map[string]string{"SCHILY.xattr.user.k": "v"},
	}, "x")
	return errors.Join(failed, tw.Close())
}
