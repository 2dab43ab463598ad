package llbsource

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/testtree"
	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// tarEntry is a file in an archive, or a symbolic link if link is not "".
type tarEntry struct{ name, data, link string }

func makeTar(t testing.TB, entries ...tarEntry) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.data)), Mode: 0o644, Linkname: e.link}
		if e.link != "" {
			h.Typeflag = tar.TypeSymlink
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gzipped(t testing.TB, data string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func sum(data string) string { return string(digest.FromString(data)) }

func imageConfig(layers ...string) string {
	return fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}`, strings.Join(layers, `","`))
}

func ociBlob(data string) tarEntry {
	return tarEntry{name: "blobs/sha256/" + strings.TrimPrefix(sum(data), "sha256:"), data: data}
}

func descriptor(kind, data string) string {
	return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s","digest":"%s","size":%d}`, kind, sum(data), len(data))
}

// dockerSave creates an archive in the old format of docker save. It contains two images
// that share a layer. The second image refers to the layer through a symbolic link.
func dockerSave(t testing.TB) string {
	low, top := makeTar(t, tarEntry{name: "low", data: "low"}), makeTar(t, tarEntry{name: "top", data: "top"})
	a, b := imageConfig(sum(low), sum(top)), imageConfig(sum(top))
	return makeTar(t,
		tarEntry{name: "1/layer.tar", data: low}, tarEntry{name: "2/layer.tar", data: top}, tarEntry{name: "3/layer.tar", link: "../2/layer.tar"},
		tarEntry{name: "a.json", data: a}, tarEntry{name: "b.json", data: b},
		tarEntry{name: "manifest.json", data: `[{"Config":"a.json","RepoTags":["one:1","example.com/one:latest"],"Layers":["1/layer.tar","2/layer.tar"]},` +
			`{"Config":"b.json","RepoTags":["two:2"],"Layers":["3/layer.tar"]}]`})
}

// ociArchive creates an archive in the current format of docker save: an OCI layout with
// one image.
func ociArchive(t testing.TB) string {
	layer := gzipped(t, makeTar(t, tarEntry{name: "f", data: "x"}))
	conf := imageConfig(sum(makeTar(t, tarEntry{name: "f", data: "x"})))
	m := fmt.Sprintf(`{"schemaVersion":2,"config":%s,"layers":[%s]}`, descriptor("config.v1+json", conf), descriptor("layer.v1.tar+gzip", layer))
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s]}`, strings.Replace(descriptor("manifest.v1+json", m), "{",
		`{"annotations":{"io.containerd.image.name":"docker.io/library/new:3","org.opencontainers.image.ref.name":"3"},`, 1))
	return makeTar(t, tarEntry{name: "oci-layout", data: `{"imageLayoutVersion":"1.0.0"}`},
		ociBlob(layer), ociBlob(conf), ociBlob(m), tarEntry{name: "index.json", data: index}, tarEntry{name: "manifest.json", data: "not looked at"})
}

// listing returns the names of the files in an image, separated by spaces. The parameter
// data is the content of an image archive, and want is the name of the image in it.
func listing(t *testing.T, s *Sources, data, want string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Cache = solver.NewMemoryCache()
	d, err := s.FindImage(t.Context(), file, want)
	if err != nil {
		return "", err
	}
	s.Layouts = map[string]string{"store": file}
	img, err := s.ResolveLayout(t.Context(), "x@"+string(d), "store", Machine())
	if err != nil {
		return "", err
	}
	snapshot, err := img.Fetch(t.Context())
	if err != nil {
		return "", err
	}
	var names []string
	err = tree.Diff(nil, testtree.Of(snapshot), func(c tree.Change) error {
		if c.Node.Kind() == tree.File {
			names = append(names, c.Path)
		}
		return nil
	})
	return strings.Join(names, " "), err
}

func TestArchives(t *testing.T) {
	saved, oci := dockerSave(t), ociArchive(t)
	for _, tc := range []struct{ about, data, name, want string }{
		{"docker save by tag", saved, "1", "low top"},
		{"docker save by name", saved, "one:1", "low top"},
		{"docker save by full name", saved, "docker.io/library/two:2", "top"},
		{"docker save, the latest", saved, "", "low top"},
		{"docker save of old, compressed", gzipped(t, saved), "two:2", "top"},
		{"OCI archive", oci, "", "f"},
		{"OCI archive by tag", oci, "3", "f"},
		{"OCI archive by name", oci, "new:3", "f"},
	} {
		s := newSources(t)
		s.Files = OpenIndex(filepath.Join(t.TempDir(), "index"), time.Now)
		if got, err := listing(t, s, tc.data, tc.name); err != nil || got != tc.want {
			t.Errorf("%s: files %q, %v, want %q", tc.about, got, err, tc.want)
		}
	}
}

func TestBadArchives(t *testing.T) {
	saved, oci, layer := dockerSave(t), ociArchive(t), makeTar(t, tarEntry{name: "f", data: "x"})
	docker := func(manifest, config string, more ...tarEntry) string {
		return makeTar(t, append(more, tarEntry{name: "c", data: config}, tarEntry{name: "manifest.json", data: manifest})...)
	}
	const one = `[{"Config":"c","Layers":["l"]}]`
	for _, tc := range []struct{ about, data, name, want string }{
		{"no archive", "hello, world", "", "is not an archive, or is damaged"},
		{"nothing", "", "", "it has neither index.json nor manifest.json"},
		{"another archive", layer, "", "it has neither index.json nor manifest.json"},
		{"half of one", saved[:len(saved)/2], "1", "is not an archive, or is damaged: unexpected EOF"},
		{"half of a compressed one", gzipped(t, saved)[:100], "1", "unexpected EOF"},
		{"no such name", saved, "three", `it has 0 images that are called "three", there are one:1, example.com/one:latest, two:2`},
		{"no tag latest", strings.ReplaceAll(saved, "latest", "newest"), "", "it has 2 images, there are one:1, example.com/one:newest, two:2"},
		{"bad manifest.json", docker("{", ""), "", "manifest.json: unexpected end of JSON input"},
		{"no config", docker(`[{"Config":"../../etc/passwd"}]`, ""), "", "open ../../etc/passwd: is not in the archive"},
		{"bad config", docker(one, "x"), "", "config c: invalid character 'x'"},
		{"no layer", docker(one, imageConfig(sum("x"))), "", "open l: is not in the archive"},
		{"too few layers", docker(`[{"Config":"c"}]`, imageConfig(sum("x"))), "", "names 0 layers, the config c lists 1"},
		{"links in a circle", docker(one, imageConfig(sum("x")), tarEntry{name: "l", link: "m"}, tarEntry{name: "m", link: "l"}), "", "is a link of too many links"},
		{"a link out of it", docker(one, imageConfig(sum("x")), tarEntry{name: "l", link: "/../../etc/passwd"}), "", "open l: is not in the archive"},
		{"another layer", docker(one, imageConfig(sum("x")), tarEntry{name: "l", data: layer}), "", "layer 0: got " + sum(layer)},
		{"another layer, compressed", docker(one, imageConfig(sum("x")), tarEntry{name: "l", data: gzipped(t, layer)}), "", "layer 0: failed to verify layer: is " + sum(layer) + " uncompressed, and should be " + sum("x")},
		{"an impossible compression", docker(one, imageConfig(sum("x")), tarEntry{name: "l", data: "BZh" + layer}), "", "is compressed as tar.bz2, which images cannot be"},
		{"too many layers", docker(`[{"Config":"c","Layers":["l"`+strings.Repeat(`,"l"`, snapshot.MaxLayers)+`]}]`, imageConfig(slices.Repeat([]string{sum("x")}, snapshot.MaxLayers+1)...)), "", "names 1025 layers, more than 1024"},
		{"many names", makeTar(t, tarEntry{name: "index.json", data: `{"manifests":[{"digest":"a","annotations":{"io.containerd.image.name":"n"}}` + strings.Repeat(`,{"digest":"a","annotations":{"io.containerd.image.name":"m"}}`, 30) + `]}`}), "other", "there are n, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, …"},
		{"bad index.json", makeTar(t, tarEntry{name: "index.json", data: "["}), "", "index.json: unexpected end of JSON input"},
		{"no images", makeTar(t, tarEntry{name: "index.json", data: "{}"}), "", "it has 0 images"},
		{"no manifest", makeTar(t, tarEntry{name: "index.json", data: `{"manifests":[` + descriptor("manifest.v1+json", "x") + `]}`}), "", "is not in the archive"},
		{"bad digest", makeTar(t, tarEntry{name: "index.json", data: `{"manifests":[{"digest":"sha256:../../x"}]}`}), "", "invalid checksum digest"},
		{"changed layer", strings.ReplaceAll(oci, gzipped(t, layer)[20:30], "0123456789"), "", "layer 0: "},
		{"other kind of manifest", makeTar(t, ociBlob(`{"layers":[]}`), tarEntry{name: "index.json", data: `{"manifests":[` + descriptor("manifest.v1+json", `{"layers":[]}`) + `]}`}), "", "is neither that of an image nor an index"},
	} {
		_, err := listing(t, newSources(t), tc.data, tc.name)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", tc.about, err, tc.want)
		}
	}
}

// FuzzArchive checks that reading images from an archive with arbitrary entries succeeds
// or returns an error.
func FuzzArchive(f *testing.F) {
	layer := makeTar(f, tarEntry{name: "f", data: "x"})
	f.Add(false, `[{"Config":"c","RepoTags":["a:1"],"Layers":["l"]}]`, imageConfig(sum(layer)), "x")
	f.Add(true, `{"manifests":[`+descriptor("manifest.v1+json", "{}")+`]}`, "{}", "l")
	f.Add(true, `{"manifests":[`+descriptor("index.v1+json", `{"manifests":[]}`)+`]}`, `{"manifests":[]}`, "")
	f.Fuzz(func(t *testing.T, oci bool, text, blob, link string) {
		name := "manifest.json"
		if oci {
			name = "index.json"
		}
		link = strings.ReplaceAll(link, "\x00", "") // archives cannot represent NUL
		file := filepath.Join(t.TempDir(), "archive")
		data := makeTar(t, tarEntry{name: "c", data: blob}, ociBlob(blob), tarEntry{name: "l", data: layer}, tarEntry{name: name, data: text}, tarEntry{name: "x", link: link})
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		s := newSources(t)
		s.Cache = solver.NewMemoryCache()
		l, err := s.imageFiles(t.Context(), file)
		if err != nil {
			return
		}
		for _, e := range l.images {
			img, err := s.imageIn(t.Context(), "x", l.from, ocispecs.Descriptor{Digest: e.digest}, Machine())
			if err == nil {
				_, _ = img.Fetch(t.Context())
			}
		}
	})
}
