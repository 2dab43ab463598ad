//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"runtime"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"slipway/integration/baseimage"
)

// image is a base image for builds that run probes. Its name in the registry is
// library/probe:COLUMN-NAME.
type image struct {
	name    string
	without string  // directory that the first layer omits
	first   []entry // additional entries of the first layer
	second  []entry // entries of the second layer; nil for no second layer
}

// entry is a file in a layer.
type entry struct {
	tar.Header
	content []byte
}

func directory(name string) entry {
	return entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}}
}

func file(name string, mode int64, content []byte) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, content}
}

func link(name, target string) entry {
	return entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

func node(name string, kind byte, major, minor int64) entry {
	return entry{Header: tar.Header{Typeflag: kind, Name: name, Mode: 0o600, Devmajor: major, Devminor: minor}}
}

// opaqueDir returns a directory with an overlay xattr that hides the same directory in lower
// layers.
func opaqueDir(name, attribute string) entry {
	e := directory(name)
	e.PAXRecords = map[string]string{"SCHILY.xattr." + attribute: "y"}
	return e
}

// systemDirs returns the directories at which runners mount system filesystems.
func systemDirs() []string { return []string{"proc", "sys", "dev"} }

// images returns the base images for the builds of one builder configuration. Some have
// hostile links or device nodes.
func (s *site) images() ([]image, error) {
	minor, err := strconv.ParseInt(s.loop, 10, 64)
	if err != nil {
		return nil, err
	}
	list := []image{
		{name: "base"},
		{name: "nodes", first: []entry{
			directory("nodes"), node("nodes/block", tar.TypeBlock, 7, minor),
			node("nodes/loop-control", tar.TypeChar, 10, 237), node("nodes/kmsg", tar.TypeChar, 1, 11),
		}},
		{name: "links", first: []entry{link("link", s.host)}},
		{name: "etc-host", without: "etc", first: []entry{link("etc", s.host)}},
		{name: "exe", first: []entry{
			link("usr/bin/docker", "/probe"), directory("context"), file("context/Dockerfile", 0o644, []byte("FROM scratch\nCOPY . /\n")),
		}},
		{
			name:   "overlay",
			first:  []entry{directory("trusted"), file("trusted/a", 0o644, nil), directory("user"), file("user/a", 0o644, nil)},
			second: []entry{opaqueDir("trusted", "trusted.overlay.opaque"), opaqueDir("user", "user.overlay.opaque")},
		},
	}
	for _, dir := range systemDirs() {
		list = append(
			list,
			image{name: dir + "-link", without: dir, first: []entry{link(dir, "/real"+dir), directory("real" + dir)}},
			image{name: dir + "-host", without: dir, first: []entry{link(dir, s.host)}},
			image{name: dir + "-file", without: dir, first: []entry{file(dir, 0o644, nil)}},
		)
	}
	return list, nil
}

// pushImages creates the base images for the builder configuration s and pushes them to the
// registry.
func (s *site) pushImages(ctx context.Context) error {
	list, err := s.images()
	if err != nil {
		return err
	}
	for _, i := range list {
		first := i.first
		for _, dir := range []string{"dev", "etc", "mnt", "proc", "run", "sys", "tmp", "usr/bin"} {
			if dir != i.without {
				first = append([]entry{directory(dir)}, first...)
			}
		}
		img, err := packImage(s.common, first, i.second)
		if err != nil {
			return err
		}
		if err := s.rig.PushImage(ctx, "library/probe:"+s.slug()+"-"+i.name, img); err != nil {
			return err
		}
	}
	return nil
}

// programs returns a layer with busybox and the probe program. All base images share this
// layer.
func programs(probe []byte) (v1.Layer, error) {
	busybox, err := os.ReadFile(baseimage.Busybox)
	if err != nil {
		return nil, err
	}
	list := []entry{
		file("probe", 0o755, probe), file("setuid-probe", 0o4755, probe),
		directory("bin"), file("bin/busybox", 0o755, busybox),
	}
	for _, applet := range []string{"sh", "cat", "ls", "ln", "mkdir", "cp"} {
		list = append(list, link("bin/"+applet, "busybox"))
	}
	return layer(list)
}

// packImage returns an image of up to three layers: the given base layer, a layer with the
// files in the first list, and a layer with the files in the second list. An empty list adds no
// layer.
func packImage(base v1.Layer, first, second []entry) (v1.Image, error) {
	layers := []v1.Layer{base}
	for _, entries := range [][]entry{first, second} {
		if len(entries) == 0 {
			continue
		}
		l, err := layer(entries)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Env = []string{"PATH=/usr/bin:/bin"}
	return mutate.ConfigFile(img, config)
}

// layer returns an image layer with the given files.
func layer(entries []entry) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		e.Size, e.Format = int64(len(e.content)), tar.FormatPAX
		if err := w.WriteHeader(&e.Header); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithCompressedCaching, tarball.WithCompressionLevel(gzip.BestSpeed))
}
