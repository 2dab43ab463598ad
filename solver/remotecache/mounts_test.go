package remotecache

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/export"
	"slipway/solver/hostmount"
	"slipway/solver/tree"
)

// nameOf returns the name of the cache mount with an id that starts empty.
func nameOf(id string) string { return (&hostmount.Mounts{}).CacheName(id, nil) }

// openStore returns a new store.
func openStore(t *testing.T) *tree.Store {
	t.Helper()
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mountFiles returns the files of a cache mount: a directory with unusual metadata and names.
func mountFiles(t *testing.T, s *tree.Store) *tree.Node {
	t.Helper()
	b, err := s.PutBytes([]byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1e9, 0).UTC()
	meta := func(mode uint32) tree.Meta { return tree.Meta{Mode: mode, UID: 1000, GID: 100, ModTime: at} }
	linked := tree.NewFile(meta(0o600), b).WithInode(tree.NewInode("links"))
	sub, err := tree.NewDir(meta(0o2755), []tree.Entry{
		{Name: "hard", Node: linked}, {Name: "link", Node: tree.NewSymlink(meta(0o777), "/etc/passwd")}, {Name: "same", Node: linked},
	})
	if err != nil {
		t.Fatal(err)
	}
	root, err := tree.NewDir(meta(0o1770), []tree.Entry{
		{Name: "file", Node: tree.NewFile(meta(0o4755), b)}, {Name: "sub", Node: sub},
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// exportMounts exports a cache that has only cache mounts to a directory, and returns its manifest.
func exportMounts(t *testing.T, to To, mounts ...Mount) []byte {
	t.Helper()
	s := openStore(t)
	x := &Exporter{Store: s, Layers: &export.Layers{Store: s, Dir: t.TempDir()}, Now: time.Now()}
	if err := x.Write(t.Context(), to, nil, nil, mounts); err != nil {
		t.Fatal(err)
	}
	data, err := (&localStorage{dir: to.Dest, ref: "latest"}).manifest(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// restoreMount imports a cache and restores a cache mount. It returns the warnings, too.
func restoreMount(t *testing.T, f From, name string) (*tree.Node, string) {
	t.Helper()
	caches, err := Open(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	m := NewImports(caches, nil, func(text string) { told = append(told, text) })
	n, err := m.RestoreMount(t.Context(), name, openStore(t))
	if err != nil {
		t.Fatal(err)
	}
	return n, strings.Join(told, "\n")
}

// TestMountTravels checks that a cache mount has the same files and metadata after an export and an import,
// for each form of the manifest and compression, and that equal cache mounts give equal manifests.
func TestMountTravels(t *testing.T) {
	for _, attrs := range []string{"", "image-manifest=false", "oci-mediatypes=false", "compression=zstd", "compression=uncompressed"} {
		to := To{Type: "local", Dest: t.TempDir()}
		if attrs != "" {
			k, v, _ := strings.Cut(attrs, "=")
			var err error
			if to, err = NewTo("local", map[string]string{"dest": to.Dest, k: v}); err != nil {
				t.Fatal(err)
			}
		}
		var root *tree.Node
		mount := func() Mount {
			s := openStore(t)
			root = mountFiles(t, s)
			return Mount{ID: "/c", Name: nameOf("/c"), Root: root, Store: s, Dir: t.TempDir()}
		}
		first, again := exportMounts(t, to, mount()), exportMounts(t, to, mount())
		if !bytes.Equal(first, again) {
			t.Errorf("%s: two exports of equal files have the manifests\n%s\n%s", attrs, first, again)
		}
		n, told := restoreMount(t, From{Type: "local", Src: to.Dest}, nameOf("/c"))
		if n == nil || n.Digest() != root.Digest() || !n.Meta().ModTime.Equal(root.Meta().ModTime) || told != "" {
			t.Errorf("%s: restored %v, want the same files; told %q", attrs, n, told)
		}
		for why, f := range map[string]From{
			"another name": {Type: "local", Src: to.Dest}, "mounts=false": {Type: "local", Src: to.Dest, NoMounts: true},
		} {
			name := nameOf("/c")
			if why == "another name" {
				name = nameOf("/d")
			}
			if n, told := restoreMount(t, f, name); n != nil || told != "" {
				t.Errorf("%s: %s: restored %v, told %q, want nothing", attrs, why, n, told)
			}
		}
	}
}

// TestMountExportedAgain checks that a cache mount of an imported cache can be exported to another cache
// without its files being restored.
func TestMountExportedAgain(t *testing.T) {
	s := openStore(t)
	root := mountFiles(t, s)
	first, second := To{Type: "local", Dest: t.TempDir()}, To{Type: "local", Dest: t.TempDir()}
	want := exportMounts(t, first, Mount{ID: "/c", Name: nameOf("/c"), Root: root, Store: s, Dir: t.TempDir()})
	caches, err := Open(t.Context(), From{Type: "local", Src: first.Dest}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := NewImports(caches, nil, nil).Mount(nameOf("/c"))
	if !ok || m.ID != "/c" {
		t.Fatalf("cache mount %v, %t", m, ok)
	}
	if got := exportMounts(t, second, m); !bytes.Equal(got, want) {
		t.Errorf("the manifest is\n%s\nwant\n%s", got, want)
	}
	if n, told := restoreMount(t, From{Type: "local", Src: second.Dest}, nameOf("/c")); n == nil || n.Digest() != root.Digest() {
		t.Errorf("restored %v; told %q", n, told)
	}
}

// archive returns a tar archive with the given entries. The content of a file is its name.
func archive(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, h.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHostileMount imports caches whose cache mounts are invalid. Each must cause a warning or be ignored,
// and must not stop the build. Files must stay within the cache mount.
func TestHostileMount(t *testing.T) {
	dir := tar.Header{Typeflag: tar.TypeDir, Name: "data/", Mode: 0o755}
	name := nameOf("/c")
	for what, tc := range map[string]struct {
		blob  []byte
		desc  func(*ocispecs.Descriptor)
		limit int64
		want  string
	}{
		"no archive":      {blob: []byte("text"), want: "cache mount /c: "},
		"empty":           {blob: nil, want: "cache mount /c: "},
		"no directory":    {blob: archive(t), want: `has no directory "data"`},
		"a file":          {blob: archive(t, tar.Header{Typeflag: tar.TypeReg, Name: "data", Mode: 0o644}), want: `has no directory "data"`},
		"a link":          {blob: archive(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "data", Linkname: "/etc"}), want: `has no directory "data"`},
		"truncated":       {blob: archive(t, dir, tar.Header{Typeflag: tar.TypeReg, Name: "data/x"})[:700], want: "unexpected EOF"},
		"too large":       {blob: archive(t, dir), limit: 100, want: "has more than 100 bytes (set mount-limit=SIZE of the cache)"},
		"too large files": {blob: zeros(t), limit: 4096, want: "too large"},
		"wrong digest":    {blob: archive(t, dir), desc: func(d *ocispecs.Descriptor) { d.Size-- }, want: "is damaged"},
		"missing":         {blob: archive(t, dir), desc: func(d *ocispecs.Descriptor) { d.Digest = digest.FromString("x") }, want: "no such file"},
		"outside":         {blob: archive(t, dir, tar.Header{Typeflag: tar.TypeReg, Name: "data/../../x", Mode: 0o644}), want: ""},
		"invalid name":    {blob: archive(t, dir), desc: func(d *ocispecs.Descriptor) { d.Annotations[mountName] = "../" + name[3:] }, want: ""},
	} {
		l := &localStorage{dir: t.TempDir(), ref: "latest"}
		d := ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageLayer, Digest: digest.FromBytes(tc.blob), Size: int64(len(tc.blob)), Annotations: map[string]string{mountID: "/c", mountName: name}}
		if err := l.put(t.Context(), d, reader(tc.blob)); err != nil {
			t.Fatal(err)
		}
		if tc.desc != nil {
			tc.desc(&d)
		}
		m, err := json.Marshal(ocispecs.Manifest{Config: putJSON(t, l, configType, map[string]any{}), Layers: []ocispecs.Descriptor{d}})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.tag(t.Context(), ocispecs.Descriptor{Digest: digest.FromBytes(m), Size: int64(len(m))}, m); err != nil {
			t.Fatal(err)
		}
		n, told := restoreMount(t, From{Type: "local", Src: l.dir, MountLimit: tc.limit}, name)
		if !strings.Contains(told, tc.want) || tc.want == "" && told != "" || tc.want != "" && n != nil {
			t.Errorf("%s: restored %v, told %q, want %q", what, n, told, tc.want)
		}
		if n != nil && !n.IsEmpty() {
			t.Errorf("%s: the cache mount has files, want none", what)
		}
	}
}

// zeros returns an archive that is small when it is compressed, and large otherwise.
func zeros(t *testing.T) []byte {
	t.Helper()
	s := openStore(t)
	b, err := s.PutBytes(make([]byte, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	root, err := tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: "zeros", Node: tree.NewFile(tree.Meta{Mode: 0o644}, b)}})
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{x: &Exporter{}, compressor: &export.Layers{}}
	l, err := w.mountLayer(t.Context(), Mount{Root: root, Store: s, Dir: filepath.Join(t.TempDir(), "layers")})
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestMountAttributes checks the errors about the attributes of cache mounts.
func TestMountAttributes(t *testing.T) {
	for attrs, want := range map[string]string{
		"mounts=true,mount-limit=500MB":  "",
		"mounts=perhaps":                 `mounts: strconv.ParseBool: parsing "perhaps"`,
		"mounts=true,mount-limit=0":      `mount-limit: "0" is not a size (use 500MB or 2GB)`,
		"mounts=true,mount-limit=-1GB":   `mount-limit: "-1GB" is not a size`,
		"mounts=true,mount-limit=9999PB": `mount-limit: "9999PB" is not a size`,
		"mount-limit=1GB":                "mount-limit needs mounts=true",
		"mounts=true,type=inline":        "an inline cache cannot have cache mounts",
	} {
		kind, m := "local", map[string]string{"dest": "d"}
		for a := range strings.SplitSeq(attrs, ",") {
			k, v, _ := strings.Cut(a, "=")
			if k == "type" {
				kind, m = v, map[string]string{"mounts": "true"}
				continue
			}
			m[k] = v
		}
		to, err := NewTo(kind, m)
		if want == "" && (err != nil || !to.Mounts || to.MountLimit != 500_000_000) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, error %v, want %q", attrs, to, err, want)
		}
	}
	if f, err := NewFrom("local", map[string]string{"src": "d", "mounts": "false", "mount-limit": "1kB"}); err != nil || !f.NoMounts || f.MountLimit != 1000 {
		t.Errorf("import: %v, %v", f, err)
	}
}
