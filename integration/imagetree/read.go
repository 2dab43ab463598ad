package imagetree

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Options configures Read. With the zero value, Read omits file times.
type Options struct {
	Times bool // whether to include modification times of files
	// Start is a time before the first of the compared builds. Later file times are shown as
	// "new". If Start is zero, all times are shown.
	Start time.Time
}

// An Image describes the content of an image so that two images can be compared.
type Image struct {
	Config string  // config as indented JSON with sorted keys, without creation times
	Layers []Layer // layers in the order of the manifest, lowest first
}

// A Layer describes the entries of a layer, sorted by path. Whiteouts are ordinary entries.
type Layer []Entry

// An Entry describes one file of a layer.
type Entry struct {
	Path   string // slash-separated path without leading or trailing slash
	Type   string // dir, file, symlink, hardlink, fifo, char, block
	Mode   int64  // permission, setuid, setgid and sticky bits
	UID    int
	GID    int
	Size   int64
	Link   string   // target of a link
	Digest string   // first 16 hex digits of the content's SHA-256; regular files only
	Device string   // major:minor numbers; devices only
	Xattrs []string // sorted key=value pairs
	Time   string   // modification time in RFC 3339, or "new"; only with Options.Times
}

// String returns the entry as one line, similar to ls -l.
func (e Entry) String() string {
	s := fmt.Sprintf("%-8s %04o %d:%d %8d %s", e.Type, e.Mode, e.UID, e.GID, e.Size, e.Path)
	for _, part := range []struct{ label, value string }{
		{" -> ", e.Link}, {" sha256:", e.Digest}, {" dev ", e.Device}, {" xattrs ", strings.Join(e.Xattrs, " ")}, {" ", e.Time},
	} {
		if part.value != "" {
			s += part.label + part.value
		}
	}
	return s
}

// Read describes each image in an index, including the images in nested indexes, in order.
func Read(index v1.ImageIndex, opt Options) ([]Image, error) {
	list, err := images(index)
	if err != nil {
		return nil, err
	}
	var out []Image
	for _, img := range list {
		raw, err := img.RawConfigFile()
		if err != nil {
			return nil, err
		}
		config, err := normalConfig(raw)
		if err != nil {
			return nil, fmt.Errorf("image config: %w", err)
		}
		layers, err := img.Layers()
		if err != nil {
			return nil, err
		}
		i := Image{Config: config}
		for _, l := range layers {
			entries, err := readLayer(l, opt)
			if err != nil {
				return nil, err
			}
			i.Layers = append(i.Layers, entries)
		}
		out = append(out, i)
	}
	return out, nil
}

// normalConfig formats an image config without the values that depend on when the build ran:
// creation times, and diffIDs, which depend on file times. It replaces the list of diffIDs with
// the number of diffIDs.
func normalConfig(raw []byte) (string, error) {
	var config map[string]any
	if err := json.Unmarshal(raw, &config); err != nil {
		return "", err
	}
	delete(config, "created")
	if history, ok := config["history"].([]any); ok {
		for _, h := range history {
			if h, ok := h.(map[string]any); ok {
				delete(h, "created")
			}
		}
	}
	if rootfs, ok := config["rootfs"].(map[string]any); ok {
		if ids, ok := rootfs["diff_ids"].([]any); ok {
			rootfs["diff_ids"] = len(ids)
		}
	}
	out, err := json.MarshalIndent(config, "", "  ")
	return string(out), err
}

func readLayer(l v1.Layer, opt Options) (Layer, error) {
	r, err := l.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var list Layer
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read layer: %w", err)
		}
		e, err := entry(h, tr, opt)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	slices.SortStableFunc(list, func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
	return list, nil
}

func entry(h *tar.Header, content io.Reader, opt Options) (Entry, error) {
	e := Entry{
		Path: strings.Trim(strings.TrimPrefix(h.Name, "./"), "/"), Type: typeName(h.Typeflag), Mode: h.Mode & 0o7777,
		UID: h.Uid, GID: h.Gid, Size: h.Size, Link: h.Linkname,
	}
	switch h.Typeflag {
	case tar.TypeReg:
		sum := sha256.New()
		if _, err := io.Copy(sum, content); err != nil {
			return e, fmt.Errorf("read %s: %w", e.Path, err)
		}
		e.Digest = fmt.Sprintf("%x", sum.Sum(nil)[:8])
	case tar.TypeChar, tar.TypeBlock:
		e.Device = fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor)
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			e.Xattrs = append(e.Xattrs, fmt.Sprintf("%s=%q", name, value))
		}
	}
	slices.Sort(e.Xattrs)
	switch {
	case opt.Times && !opt.Start.IsZero() && !h.ModTime.Before(opt.Start):
		e.Time = "new"
	case opt.Times:
		e.Time = h.ModTime.UTC().Format("2006-01-02T15:04:05.999999999Z")
	}
	return e, nil
}

func typeName(flag byte) string {
	for _, t := range []struct {
		flag byte
		name string
	}{
		{tar.TypeReg, "file"},
		{tar.TypeDir, "dir"},
		{tar.TypeSymlink, "symlink"},
		{tar.TypeLink, "hardlink"},
		{tar.TypeFifo, "fifo"},
		{tar.TypeChar, "char"},
		{tar.TypeBlock, "block"},
	} {
		if t.flag == flag {
			return t.name
		}
	}
	return fmt.Sprintf("type %q", flag)
}

// String returns the config, followed by each layer under a heading. Equal images have equal
// texts.
func (i Image) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "config\n%s\n", i.Config)
	for n, l := range i.Layers {
		fmt.Fprintf(&b, "layer %d\n", n)
		for _, e := range l {
			fmt.Fprintf(&b, "%s\n", e)
		}
	}
	return b.String()
}
