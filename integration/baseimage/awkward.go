package baseimage

import (
	"archive/tar"
	"bytes"
	"errors"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// unusualTrees returns images with unusual files, based on busybox:
//
//   - base/links has links that lead through other links, above the root, in a cycle or to missing files;
//   - base/odd has unusual modes, owners, times, xattrs, file types and names, and a second layer that removes two files;
//   - base/bare has only a shell.
func unusualTrees(busybox v1.Layer) ([]Image, error) {
	links, errLinks := entryLayer(linkEntries())
	odd, errOdd := entryLayer(oddEntries())
	removal, errRemoval := entryLayer(removalEntries())
	bare, errBare := bareLayer()
	if err := errors.Join(errLinks, errOdd, errRemoval, errBare); err != nil {
		return nil, err
	}
	var set []Image
	for _, e := range []struct {
		name   string
		layers []v1.Layer
		config v1.Config
	}{
		{"base/links:1", []v1.Layer{busybox, links}, v1.Config{Env: []string{path}, Cmd: []string{"sh"}, WorkingDir: "/work"}},
		{"base/odd:1", []v1.Layer{busybox, odd, removal}, v1.Config{Env: []string{path, "ODD=a b"}, WorkingDir: "/closed/wd/"}},
		{"base/bare:1", []v1.Layer{bare}, v1.Config{Env: []string{path}}},
	} {
		p := v1.Platform{OS: "linux", Architecture: "amd64"}
		img, err := singlePlatform(e.layers[0], p, e.config)
		if err != nil {
			return nil, err
		}
		for _, l := range e.layers[1:] {
			if img, err = mutate.Append(img, mutate.Addendum{Layer: l, MediaType: types.OCILayer}); err != nil {
				return nil, err
			}
		}
		index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
		set = append(set, Image{Names: []string{e.name}, Root: index})
	}
	return set, nil
}

// linkEntries returns the tar entries of the image base/links. They include an entry for each
// parent directory, because the builder would set the time of a directory without an entry to
// the time of unpacking.
func linkEntries() []tar.Header {
	return []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "run/", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "data/real/", Mode: 0o750, Uid: 3, Gid: 4},
		{Typeflag: tar.TypeReg, Name: "data/file", Mode: 0o640, Gid: 4, Size: 2},
		{Typeflag: tar.TypeLink, Name: "data/hard", Linkname: "data/file", Mode: 0o640, Gid: 4},
		{Typeflag: tar.TypeSymlink, Name: "var/run", Linkname: "/run", Mode: 0o777},
		{Typeflag: tar.TypeSymlink, Name: "lib", Linkname: "usr/lib", Mode: 0o777},
		{Typeflag: tar.TypeSymlink, Name: "abs", Linkname: "/usr", Mode: 0o777, Uid: 7, Gid: 8},
		{Typeflag: tar.TypeSymlink, Name: "above", Linkname: "../../usr", Mode: 0o777},
		{Typeflag: tar.TypeSymlink, Name: "chain", Linkname: "abs/local", Mode: 0o777},
		{Typeflag: tar.TypeSymlink, Name: "loop", Linkname: "loop", Mode: 0o777},
		{Typeflag: tar.TypeSymlink, Name: "nothing", Linkname: "/nowhere/deep", Mode: 0o777},
		{Typeflag: tar.TypeSymlink, Name: "work", Linkname: "/data/real", Mode: 0o777},
		{Typeflag: tar.TypeSymlink, Name: "tofile", Linkname: "data/file", Mode: 0o777},
		{Typeflag: tar.TypeDir, Name: "var/", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755},
		{Typeflag: tar.TypeSymlink, Name: "etc/resolv.conf", Linkname: "../run/resolv.conf", Mode: 0o777},
	}
}

func oddEntries() []tar.Header {
	at := func(sec, nsec int64) time.Time { return time.Unix(sec, nsec) }
	return []tar.Header{
		{Typeflag: tar.TypeDir, Name: "sticky/", Mode: 0o1777},
		{Typeflag: tar.TypeDir, Name: "setgid/", Mode: 0o2775, Gid: 5, ModTime: at(1_000_000_000, 123_456_789)},
		{Typeflag: tar.TypeDir, Name: "closed/", Mode: 0o700, Uid: 1000, Gid: 1000},
		{Typeflag: tar.TypeDir, Name: "none/", Mode: 0},
		{Typeflag: tar.TypeReg, Name: "none/f", Mode: 0, Size: 2, ModTime: at(1, 0)},
		{Typeflag: tar.TypeReg, Name: "setgid/suid", Mode: 0o6755, Uid: 9, Gid: 5, Size: 2},
		{Typeflag: tar.TypeReg, Name: "attrs", Mode: 0o644, Size: 2, PAXRecords: map[string]string{"SCHILY.xattr.user.k": "v"}},
		{Typeflag: tar.TypeFifo, Name: "pipe", Mode: 0o622, Uid: 1},
		{Typeflag: tar.TypeDir, Name: "dev/", Mode: 0o755},
		{Typeflag: tar.TypeChar, Name: "dev/odd", Mode: 0o666, Devmajor: 1, Devminor: 3},
		{Typeflag: tar.TypeReg, Name: "a b", Mode: 0o644, Size: 2},
		{Typeflag: tar.TypeReg, Name: "\u00fc[1]*", Mode: 0o600, Uid: 100_000, Gid: 65_534, Size: 2},
		{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "d/gone", Mode: 0o644, Size: 2},
		{Typeflag: tar.TypeReg, Name: "d/kept", Mode: 0o644, Size: 2},
		{Typeflag: tar.TypeDir, Name: "opaque/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "opaque/old", Mode: 0o644, Size: 2},
		{Typeflag: tar.TypeDir, Name: "kind/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "kind/in", Mode: 0o644, Size: 2},
	}
}

func removalEntries() []tar.Header {
	return []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "d/.wh.gone", Mode: 0o644},
		{Typeflag: tar.TypeDir, Name: "opaque/", Mode: 0o711},
		{Typeflag: tar.TypeReg, Name: "opaque/.wh..wh..opq", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "opaque/new", Mode: 0o644, Size: 2},
		{Typeflag: tar.TypeReg, Name: "kind", Mode: 0o644, Size: 2},
	}
}

// entryLayer returns a layer with the given entries. The content of each file consists of the
// letter o, repeated as often as the size in the file's entry specifies.
func entryLayer(entries []tar.Header) (v1.Layer, error) {
	var buf bytes.Buffer
	w := &layerWriter{tw: tar.NewWriter(&buf)}
	for _, h := range entries {
		w.entry(h, bytes.Repeat([]byte("o"), int(h.Size)))
	}
	return w.layer(&buf)
}

// bareLayer returns a layer that contains nothing but busybox, at /bin/sh.
func bareLayer() (v1.Layer, error) {
	var buf bytes.Buffer
	w := &layerWriter{tw: tar.NewWriter(&buf)}
	w.dir("bin", 0o755)
	if err := w.busybox(); err != nil {
		return nil, err
	}
	for _, name := range []string{"sh", "cat", "chmod", "chown", "cp", "echo", "ln", "ls", "mkdir", "mkfifo", "mv", "rm", "rmdir", "touch", "true"} {
		w.symlink("bin/"+name, "busybox")
	}
	return w.layer(&buf)
}
