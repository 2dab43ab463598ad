package tree

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// archive returns a tar archive with one entry per line. A line is a name, a space and a
// description, which is the content of the file or one of:
//
//	dir        a directory
//	-> TARGET  a symbolic link
//	= TARGET   a hard link
//	below X    a symbolic link to X with mode 0600
//	char       a character device
//	whiteout   a character device 0/0
//	odd        an entry of an unknown type
func archive(t testing.TB, lines ...string) *bytes.Buffer {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, line := range lines {
		h, content := entry(line)
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &buf
}

// entry returns the header and the content for a line of [archive].
func entry(line string) (*tar.Header, string) {
	name, what, _ := strings.Cut(line, " ")
	h := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}
	content := ""
	switch kind, arg, _ := strings.Cut(what, " "); kind {
	case "dir":
		h.Typeflag, h.Mode = tar.TypeDir, 0o755
	case "->":
		h.Typeflag, h.Linkname = tar.TypeSymlink, arg
	case "=":
		h.Typeflag, h.Linkname = tar.TypeLink, arg
	case "below":
		h.Mode, h.Typeflag, h.Linkname = 0o600, tar.TypeSymlink, arg
	case "char":
		h.Typeflag, h.Devmajor = tar.TypeChar, 5
	case "whiteout":
		h.Typeflag = tar.TypeChar
	case "odd":
		h.Typeflag = 'Z'
	default:
		content = what
	}
	h.Size = int64(len(content))
	return h, content
}

// list describes a tree, with one line per node: path, kind, mode, owner and content.
func list(n *Node) string {
	var b strings.Builder
	var walk func(string, *Node)
	walk = func(name string, n *Node) {
		fmt.Fprintf(&b, "/%s %s %04o %d:%d", name, n.kind, n.meta.Mode, n.meta.UID, n.meta.GID)
		switch n.kind {
		case File:
			fmt.Fprintf(&b, " %d bytes, inode %q", n.blob.Size, n.inode)
		case Symlink:
			fmt.Fprintf(&b, " -> %s", n.target)
		default:
		}
		b.WriteString("\n")
		for _, e := range must(n.Entries()) {
			walk(strings.TrimPrefix(name+"/"+e.Name, "/"), e.Node)
		}
	}
	walk("", n)
	return b.String()
}

// names returns the paths of all files in a tree, separated by spaces.
func names(n *Node) string {
	var all []string
	_ = Diff(nil, n, func(c Change) error {
		if c.Path != "" {
			all = append(all, c.Path)
		}
		return nil
	})
	return strings.Join(all, " ")
}

// TestReadLayer checks which files a tree contains after a layer was applied to it.
func TestReadLayer(t *testing.T) {
	for _, tc := range []struct {
		about        string
		lower, layer []string
		want         string
	}{
		{"files", nil, []string{"./a/ dir", "./a/b x"}, "a a/b"},
		{"missing parents", nil, []string{"a/b/c x"}, "a a/b a/b/c"},
		{"whiteout", []string{"a x", "b x"}, []string{".wh.a "}, "b"},
		{"whiteout of a file that does not exist", []string{"b x"}, []string{".wh.a ", "c/.wh.d "}, "b"},
		{"whiteout of a directory", []string{"a/b/c x", "d x"}, []string{".wh.a "}, "d"},
		{"whiteout, then a file at the same path", []string{"a/b x"}, []string{".wh.a ", "a/c x"}, "a a/c"},
		{"file, then a whiteout of the same path", []string{"a/b x"}, []string{"a/c x", ".wh.a "}, "a a/c"},
		{"opaque", []string{"a/b x", "a/c/d x"}, []string{"a/ dir", "a/.wh..wh..opq ", "a/e x"}, "a a/e"},
		{"opaque at the end", []string{"a/b x", "a/c/d x"}, []string{"a/e x", "a/c/f x", "a/.wh..wh..opq "}, "a a/c a/c/f a/e"},
		{"through a link", []string{"run/ dir", "var/run -> /run"}, []string{"var/run/x y"}, "run run/x var var/run"},
		{"link that leaves", []string{"out -> ../../../etc"}, []string{"out/x y"}, "etc etc/x out"},
		{"absolute names", nil, []string{"/a/b x"}, "a a/b"},
		{"file over directory", []string{"a/b x"}, []string{"a x"}, "a"},
		{"directory over file", []string{"a x"}, []string{"a/ dir", "a/b x"}, "a a/b"},
		{"devices", nil, []string{"null char"}, "null"},
		{"device 0/0", []string{"a x", "d/b x", "c x"}, []string{"a whiteout", "d whiteout", "e whiteout", "c x", "c whiteout"}, ""},
	} {
		s := testStore(t)
		base, err := ReadLayer(nil, archive(t, tc.lower...), s, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n, err := ReadLayer(base, archive(t, tc.layer...), s, ReadOptions{})
		if err != nil {
			t.Errorf("%s: %v", tc.about, err)
		} else if got := names(n); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.about, got, tc.want)
		}
	}
}

// TestBadLayers checks that ReadLayer rejects layers that are invalid or exceed a limit,
// with an error that names the entry and the problem.
func TestBadLayers(t *testing.T) {
	for _, tc := range []struct {
		layer []string
		want  string
	}{
		{[]string{"../a x"}, `layer entry "../a": the name leaves the layer`},
		{[]string{"a/../../b x"}, `layer entry "a/../../b": the name leaves the layer`},
		{[]string{".wh. "}, `layer entry ".wh.": the whiteout names no file`},
		{[]string{"a/.wh... "}, `layer entry "a/.wh...": the whiteout names no file`},
		{[]string{"a = nothing"}, `layer entry "a": link /nothing: file does not exist`},
		{[]string{"a x", "a/b x"}, `layer entry "a/b": /a is a file, not a directory`},
		{[]string{"a x", "a/.wh.b "}, `layer entry "a/.wh.b": /a is a file, not a directory`},
		{[]string{"a x", "a/b/.wh..wh..opq "}, `layer entry "a/b/.wh..wh..opq": /a is a file, not a directory`},
		{[]string{"a -> b", "b -> a", "a/c x"}, `layer entry "a/c": resolve /a: too many levels of symbolic links`},
		{[]string{"a odd"}, `layer entry "a": unknown type 'Z'`},
		{[]string{". x"}, `layer entry ".": not a directory`},
		{[]string{"a 123", "b 4567"}, `layer entry "b": the layer is too large`},
		{[]string{"a 1", "b 1", "c 1", "d 1"}, `layer entry "d": the layer has too many files`},
	} {
		_, err := ReadLayer(nil, archive(t, tc.layer...), testStore(t), ReadOptions{Limits: Limits{Bytes: 6, Files: 3}})
		if err == nil || err.Error() != tc.want {
			t.Errorf("%q: error %v, want %s", tc.layer, err, tc.want)
		}
	}
	if _, err := ReadLayer(nil, strings.NewReader(strings.Repeat("x", 1024)), testStore(t), ReadOptions{}); err == nil {
		t.Error("no error for bytes that are not an archive")
	}
}

// TestHardLinks checks that hard links of a layer have one inode in the tree, and that
// WriteLayer writes them as hard links again.
func TestHardLinks(t *testing.T) {
	s := testStore(t)
	n, err := ReadLayer(nil, archive(t, "a x", "b = a", "c = b", "d x"), s, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a := must(n.Child("a"))
	if a.Inode() == "" || must(n.Child("b")).Inode() != a.Inode() || must(n.Child("c")).Inode() != a.Inode() || must(n.Child("d")).Inode() != "" {
		t.Errorf("want one inode for a, b and c, and none for d, got:\n%s", list(n))
	}
	var buf bytes.Buffer
	if err := WriteLayer(t.Context(), &buf, Layer{Upper: n}, s, LayerOptions{}); err != nil {
		t.Fatal(err)
	}
	links := 0
	for tr := tar.NewReader(&buf); ; {
		h, err := tr.Next()
		if err != nil {
			break
		}
		if h.Typeflag == tar.TypeLink && h.Linkname == "a" {
			links++
		}
	}
	if links != 2 {
		t.Errorf("the layer has %d hard links to a, want 2", links)
	}
}

// TestPlainArchive checks archives that are not layers: symbolic links get the mode 0777,
// and an entry below a dangling link results in an error.
func TestPlainArchive(t *testing.T) {
	for _, tc := range []struct {
		archive []string
		want    string // the error; "" for success
	}{
		{[]string{"l below /out", "l/x y"}, `layer entry "l/x": /l is a symbolic link to /out, which does not exist where the archive is unpacked`},
		{[]string{"l below out", "l/a/x y"}, `layer entry "l/a/x": /l is a symbolic link to /out, which does not exist where the archive is unpacked`},
		{[]string{"d/l below none", "k below d", "k/l/x y"}, `layer entry "k/l/x": /d/l is a symbolic link to /d/none, which does not exist where the archive is unpacked`},
		{[]string{"out dir", "l below /out", "l/a/x y"}, ""},
		{[]string{"f x", "f = f"}, `layer entry "f": link /f: file does not exist`},
		{[]string{"d dir", "e = d"}, `layer entry "e": link /d: is a directory`},
	} {
		n, err := ReadLayer(nil, archive(t, tc.archive...), testStore(t), ReadOptions{Plain: true})
		switch {
		case tc.want != "" && (err == nil || err.Error() != tc.want):
			t.Errorf("%q: error %v, want %s", tc.archive, err, tc.want)
		case tc.want == "" && (err != nil || must(n.Get("out/a/x")) == nil || must(n.Child("l")).Meta().Mode != 0o777):
			t.Errorf("%q: %v\n%s", tc.archive, err, list(n))
		}
	}
}

// TestWhiteoutDevices checks how an archive's 0/0 character device is applied. On an
// overlay, the device must result in an error. On other file systems, it must delete the
// file at the path of the device.
func TestWhiteoutDevices(t *testing.T) {
	for _, opt := range []ReadOptions{{Plain: true}, {Plain: true, OnOverlay: true}} {
		n, err := ReadLayer(nil, archive(t, "a x", "null char", "d/b whiteout", "a whiteout"), testStore(t), opt)
		switch {
		case opt.OnOverlay && (err == nil || err.Error() != `layer entry "d/b": make device 0/0: operation not permitted (overlay file systems take it for a deleted file)`):
			t.Errorf("on an overlay: error %v, want operation not permitted", err)
		case !opt.OnOverlay && (err != nil || names(n) != "d null"):
			t.Errorf("on scratch: want d and null, got %v\n%s", err, list(n))
		}
	}
}

// TestReplacedDirs checks archives that list a directory and later replace it. If a link
// replaces the directory, the target of the link gets the time of the directory. If the
// path of the directory no longer exists, ReadLayer must return an error.
func TestReplacedDirs(t *testing.T) {
	s := testStore(t)
	at := time.Unix(99, 0)
	b, err := s.PutBytes([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	e := Edit(nil)
	if err := e.Put("t", NewFile(Meta{ModTime: at}, b)); err != nil {
		t.Fatal(err)
	}
	read := func(lines ...string) (*Node, error) {
		return ReadLayer(e.Tree(), archive(t, lines...), s, ReadOptions{Plain: true, Now: func() time.Time { return at }})
	}
	n, err := read("d dir", "d -> t")
	if err != nil {
		t.Fatal(err)
	}
	if got := must(n.Get("t")).Meta().ModTime; !got.Equal(time.Unix(0, 0)) {
		t.Errorf("the target of the link has the time %v, want the time of the directory", got)
	}
	for _, lines := range [][]string{{"d/e dir", "d content"}, {"d dir", "d -> none"}} {
		if _, err := read(lines...); err == nil || !strings.Contains(err.Error(), "lists the directory \"/d") {
			t.Errorf("%q: error %v, want one about the directory", lines, err)
		}
	}
}

// TestSeparateLinks checks that two equal archives yield different inodes if they are read
// with different origins or onto different base trees. Their files must not be hard links
// of each other.
func TestSeparateLinks(t *testing.T) {
	s := testStore(t)
	read := func(base *Node, origin string) string {
		n, err := ReadLayer(base, archive(t, "f x", "g = f"), s, ReadOptions{Origin: origin})
		if err != nil {
			t.Fatal(err)
		}
		if must(n.Child("f")).Inode() == "" || must(n.Child("f")).Inode() != must(n.Child("g")).Inode() {
			t.Errorf("f and g are not linked:\n%s", list(n))
		}
		return must(n.Child("f")).Inode()
	}
	base, err := NewDir(Meta{}, []Entry{{"old", NewSymlink(Meta{}, "x")}})
	if err != nil {
		t.Fatal(err)
	}
	first := read(nil, "1")
	if read(nil, "1") != first || read(nil, "2") == first || read(base, "1") == first {
		t.Error("inodes do not depend on the origin and the base tree only")
	}
	n, err := ReadLayer(nil, archive(t, "f x", "g = f", "f x", "h = f"), s, ReadOptions{})
	if err != nil || must(n.Child("g")).Inode() == must(n.Child("h")).Inode() {
		t.Errorf("a file and the file that replaces it are hard links: %v\n%s", err, list(n))
	}
	separate := must(n.Separate("x"))
	if must(separate.Child("h")).Inode() == must(n.Child("h")).Inode() || must(separate.Child("h")).Inode() != must(separate.Child("f")).Inode() {
		t.Errorf("Separate: want a new inode for f and h, got:\n%s", list(separate))
	}
}

// TestStore checks that a damaged blob is detected and can be stored again.
func TestStore(t *testing.T) {
	s := testStore(t)
	b, err := s.Put(strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	name := s.path("blobs", b.Digest)
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.Has(b) {
		t.Error("Has returns true for a truncated blob")
	}
	if _, err := s.Open(b); err == nil {
		t.Error("a damaged blob was opened")
	}
	if _, err := s.PutBytes([]byte("content")); err != nil || !s.Has(b) {
		t.Errorf("the blob cannot be stored again: %v", err)
	}
	if files, _ := os.ReadDir(filepath.Join(s.dir, "tmp")); len(files) != 0 {
		t.Errorf("%d files remain in tmp, want none", len(files))
	}
	if _, err := s.Load("sha256:../../etc"); err == nil {
		t.Error("no error for an invalid digest")
	}
}

// TestArchiveInSetGroupID checks that directories that an archive does not list inherit the
// set-group-ID bit of the destination. As in BuildKit, their group is root.
func TestArchiveInSetGroupID(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	base := newDir(Meta{Mode: 0o2775, GID: 5}, nil)
	n, err := ReadLayer(base, archive(t, "d/e/f content"), s, ReadOptions{Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	want := "/ directory 2775 0:5\n/d directory 2755 0:0\n/d/e directory 2755 0:0\n/d/e/f file 0644 0:0 7 bytes, inode \"\"\n"
	if got := list(n); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if n, err = ReadLayer(base, archive(t, "d/f content"), s, ReadOptions{}); err != nil || must(n.Get("d")).meta.Mode != 0o755 {
		t.Errorf("in a layer: want d with mode 0755, got %v, %v", list(n), err)
	}
}
