package builder

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/go-archive/compression"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/slowtest"
)

// The years of three times: the modification times of the older and the newer file, and
// SOURCE_DATE_EPOCH, which is between the two modification times.
const (
	older, epochYear, newer = 2001, 2010, 2020
	epochSeconds            = "1262304000" // the start of epochYear
)

func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

// datedOptions returns options to build an image from two files, of which one is older and one
// is newer than SOURCE_DATE_EPOCH.
func datedOptions(t *testing.T, dockerfile string) Options {
	t.Helper()
	o := options(t, dockerfile)
	for name, y := range map[string]int{"a": older, "base/bin/sh": newer} {
		if err := os.Chtimes(filepath.Join(o.Context, name), year(y), year(y)); err != nil {
			t.Fatal(err)
		}
	}
	o.Now = func() time.Time { return year(newer) }
	return o
}

// indexJSON returns the index.json of an archive of images.
func indexJSON(t *testing.T, file string) ocispecs.Index {
	t.Helper()
	var idx ocispecs.Index
	if err := json.Unmarshal(tarFiles(t, file)["index.json"], &idx); err != nil {
		t.Fatal(err)
	}
	return idx
}

// tarFiles returns the contents of the regular files in an archive, by name.
func tarFiles(t *testing.T, file string) map[string][]byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// years returns the year of the modification time of each file in an archive, by file
// name.
func years(t *testing.T, data []byte) map[string]int {
	t.Helper()
	r, err := compression.DecompressStream(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for r := tar.NewReader(r); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = h.ModTime.UTC().Year()
	}
}

// TestEpochOfImage checks that SOURCE_DATE_EPOCH sets the times in the config and the
// descriptor of an image. With the output attribute rewrite-timestamp, it must also become the
// time of files that are newer.
func TestEpochOfImage(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	for _, tc := range []struct {
		arg, attrs string
		files      map[string]int
		created    int
	}{
		{"", "", map[string]int{"a": older, "sh": newer}, newer},
		{epochSeconds, "", map[string]int{"a": older, "sh": newer}, epochYear},
		{epochSeconds, ",rewrite-timestamp=false", map[string]int{"a": older, "sh": newer}, epochYear},
		{epochSeconds, ",rewrite-timestamp=true", map[string]int{"a": older, "sh": epochYear}, epochYear},
		{"", ",rewrite-timestamp=true,source-date-epoch=" + epochSeconds, map[string]int{"a": older, "sh": epochYear}, epochYear},
		{epochSeconds, ",rewrite-timestamp=true,source-date-epoch=", map[string]int{"a": older, "sh": newer}, epochYear},
		{"", ",rewrite-timestamp=true", map[string]int{"a": older, "sh": newer}, newer},
	} {
		for _, kind := range []string{"oci", "docker"} {
			o := datedOptions(t, "FROM scratch\nCOPY a base/bin/sh /\n")
			o.BuildArgs = map[string]string{}
			if tc.arg != "" {
				o.BuildArgs["SOURCE_DATE_EPOCH"] = tc.arg
			}
			dest := filepath.Join(t.TempDir(), "x.tar")
			res, blobs := buildOutput(t, o, "type="+kind+",dest="+dest+tc.attrs), archiveBlobs(t, dest)
			d := indexJSON(t, dest).Manifests[0]
			var m ocispecs.Manifest
			var config ocispecs.Image
			if err := errors.Join(json.Unmarshal(blobs[d.Digest], &m), json.Unmarshal(blobs[m.Config.Digest], &config)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.files, years(t, blobs[m.Layers[0].Digest])); diff != "" {
				t.Errorf("%s %s %s: years of files (-want +got):\n%s", kind, tc.arg, tc.attrs, diff)
			}
			want := map[string]string{ocispecs.AnnotationCreated: year(tc.created).Format(time.RFC3339)}
			if diff := cmp.Diff(want, d.Annotations); diff != "" {
				t.Errorf("%s %s %s: annotations in index.json (-want +got):\n%s", kind, tc.arg, tc.attrs, diff)
			}
			if y := config.Created.Year(); y != tc.created || config.History[0].Created.Year() != tc.created {
				t.Errorf("%s %s %s: the config is of %d, its history of %v, want %d", kind, tc.arg, tc.attrs, y, config.History[0].Created, tc.created)
			}
			if p := d.Platform; p == nil || p.OS != "linux" || p.Architecture == "" {
				t.Errorf("%s: platform in index.json: %v", kind, p)
			}
			if diff := cmp.Diff(d, descriptorOf(t, res)); diff != "" {
				t.Errorf("%s: descriptor in the metadata (-index.json +metadata):\n%s", kind, diff)
			}
		}
	}
}

// buildOutput builds with one output, and fails the test if the build fails.
func buildOutput(t *testing.T, o Options, output string) *Result {
	t.Helper()
	out, err := ParseOutput(output)
	if err != nil {
		t.Fatal(err)
	}
	o.Outputs = []Output{out}
	res, err := Build(t.Context(), o)
	if err != nil {
		t.Fatalf("%s: %v", output, err)
	}
	return res
}

func descriptorOf(t *testing.T, res *Result) ocispecs.Descriptor {
	t.Helper()
	var d ocispecs.Descriptor
	data, err := base64.StdEncoding.DecodeString(res.Exported["containerimage.descriptor"])
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTimesOfLayers checks that each layer has the time of its step in the history of an image, and
// keeps it when the image is built again.
func TestTimesOfLayers(t *testing.T) {
	o := datedOptions(t, "FROM scratch\nCOPY base /\nRUN echo 1 > /1\nRUN echo 2 > /2\n")
	clock := year(newer)
	var mu sync.Mutex
	o.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		clock = clock.Add(time.Second)
		return clock
	}
	var images []string
	for range 2 {
		dest := filepath.Join(t.TempDir(), "x.tar")
		buildOutput(t, o, "type=oci,dest="+dest)
		blobs := archiveBlobs(t, dest)
		var m ocispecs.Manifest
		var config ocispecs.Image
		d := indexJSON(t, dest).Manifests[0]
		if err := json.Unmarshal(blobs[d.Digest], &m); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(blobs[m.Config.Digest], &config); err != nil {
			t.Fatal(err)
		}
		var last time.Time
		for i, h := range config.History {
			if h.Created == nil || !h.Created.After(last) {
				t.Errorf("entry %d of the history has the time %v, want one after %v", i, h.Created, last)
			} else {
				last = *h.Created
			}
		}
		if len(config.History) != 3 || !config.Created.Equal(last) {
			t.Errorf("%d entries, and the image has the time %v, want 3 and %v", len(config.History), config.Created, last)
		}
		images = append(images, d.Digest.String())
	}
	if images[0] != images[1] {
		t.Errorf("the second build gives %s, want %s", images[1], images[0])
	}
}

// TestEpochOfBase checks that SOURCE_DATE_EPOCH changes neither the files nor the history
// times of a base image.
func TestEpochOfBase(t *testing.T) {
	base := datedOptions(t, "FROM scratch\nCOPY base/bin/sh /\n")
	dir := t.TempDir()
	buildOutput(t, base, "type=oci,dest="+filepath.Join(dir, "base.tar"))
	for text, want := range map[string][]int{"FROM base\n": {newer, newer}, "FROM base\nCOPY base/bin/sh /sh2\n": {newer, newer, epochYear, epochYear}} {
		o := datedOptions(t, text)
		o.Contexts = map[string]string{"base": "oci-layout://" + filepath.Join(dir, "base.tar")}
		o.BuildArgs = map[string]string{"SOURCE_DATE_EPOCH": epochSeconds}
		dest := filepath.Join(t.TempDir(), "x.tar")
		buildOutput(t, o, "type=oci,rewrite-timestamp=true,dest="+dest)
		blobs := archiveBlobs(t, dest)
		var m ocispecs.Manifest
		var config ocispecs.Image
		if err := errors.Join(json.Unmarshal(blobs[indexJSON(t, dest).Manifests[0].Digest], &m), json.Unmarshal(blobs[m.Config.Digest], &config)); err != nil {
			t.Fatal(err)
		}
		var got []int
		for i, l := range m.Layers {
			for _, y := range years(t, blobs[l.Digest]) {
				got = append(got, y, config.History[i].Created.Year())
			}
		}
		if !slices.Equal(got, want) || config.Created.Year() != want[len(want)-1] {
			t.Errorf("%q: years of files and history %v, want %v; the image is of %v", text, got, want, config.Created)
		}
	}
}

// TestEpochOfImportedLayer checks that rewrite-timestamp also rewrites a layer that is
// imported from a cache instead of built by a step.
func TestEpochOfImportedLayer(t *testing.T) {
	o := datedOptions(t, "FROM scratch\nCOPY base /\nCOPY a /\nRUN cat a > /made\n")
	cache := t.TempDir()
	var err error
	if o.CacheTo, err = ParseCache("type=local,mode=max,dest=" + cache); err != nil {
		t.Fatal(err)
	}
	o.BuildArgs = map[string]string{"SOURCE_DATE_EPOCH": epochSeconds}
	var images []digest.Digest
	for range 2 {
		dest := filepath.Join(t.TempDir(), "x.tar")
		buildOutput(t, o, "type=oci,rewrite-timestamp=true,dest="+dest)
		images = append(images, indexJSON(t, dest).Manifests[0].Digest)
		o.State, o.CacheTo = t.TempDir(), nil
		if o.CacheFrom, err = ParseCache("type=local,src=" + cache); err != nil {
			t.Fatal(err)
		}
	}
	if images[0] != images[1] {
		t.Errorf("images %v", images)
	}
}

// TestEpochOfFiles checks that all files in a tar or local output have the time
// SOURCE_DATE_EPOCH.
func TestEpochOfFiles(t *testing.T) {
	for _, tc := range []struct{ platforms, attrs, dir string }{
		{"", "", ""},
		{"linux/amd64,linux/arm64", "", "linux_arm64/"},
		{"", ",source-date-epoch=" + epochSeconds, ""},
	} {
		o := datedOptions(t, "FROM scratch\nCOPY a base/bin/sh /d/\n")
		if tc.platforms != "" {
			o.Platforms = strings.Split(tc.platforms, ",")
		}
		if tc.attrs == "" {
			o.BuildArgs = map[string]string{"SOURCE_DATE_EPOCH": epochSeconds}
		}
		dest := t.TempDir()
		buildOutput(t, o, "type=tar,dest="+filepath.Join(dest, "x.tar")+tc.attrs)
		buildOutput(t, o, "type=local,dest="+filepath.Join(dest, "x")+tc.attrs)
		data, err := os.ReadFile(filepath.Join(dest, "x.tar"))
		if err != nil {
			t.Fatal(err)
		}
		got := years(t, data)
		for _, name := range []string{"d", "d/a", "d/sh"} {
			info, err := os.Stat(filepath.Join(dest, "x", tc.dir+name))
			if err != nil {
				t.Fatal(err)
			}
			if name == "d" {
				name = "d/"
			}
			if y := info.ModTime().UTC().Year(); y != epochYear || got[tc.dir+name] != epochYear {
				t.Errorf("%v: %s is of %d in the directory and of %d in the archive, which has %v", tc, name, y, got[tc.dir+name], slices.Sorted(maps.Keys(got)))
			}
		}
	}
}

// TestIndexOfOnePlatform checks a build for one platform with BUILDKIT_MULTI_PLATFORM. As in
// BuildKit, an image output must be an index of one image, and an output of files must contain
// a directory for the platform.
func TestIndexOfOnePlatform(t *testing.T) {
	o := datedOptions(t, "FROM scratch\nCOPY a /\n")
	o.Platforms, o.BuildArgs = []string{"linux/amd64"}, map[string]string{"BUILDKIT_MULTI_PLATFORM": "1"}
	o.Annotations = map[string]string{"annotation-index.i": "1", "annotation-index-descriptor.d": "2", "annotation-manifest-descriptor.m": "3"}
	dest := t.TempDir()
	buildOutput(t, o, "type=oci,dest="+filepath.Join(dest, "x.tar"))
	top := indexJSON(t, filepath.Join(dest, "x.tar")).Manifests[0]
	if top.MediaType != ocispecs.MediaTypeImageIndex || top.Platform != nil || top.Annotations["d"] != "2" || top.Annotations[ocispecs.AnnotationCreated] == "" {
		t.Errorf("index.json lists %+v", top)
	}
	var idx ocispecs.Index
	if err := json.Unmarshal(archiveBlobs(t, filepath.Join(dest, "x.tar"))[top.Digest], &idx); err != nil {
		t.Fatal(err)
	}
	if len(idx.Manifests) != 1 || idx.Annotations["i"] != "1" || idx.Manifests[0].Annotations["m"] != "3" {
		t.Errorf("index %+v", idx)
	}
	buildOutput(t, o, "type=local,dest="+filepath.Join(dest, "x"))
	if _, err := os.Stat(filepath.Join(dest, "x", "linux_amd64", "a")); err != nil {
		t.Error(err)
	}
	o.BuildArgs = nil
	o.Annotations = map[string]string{"annotation-manifest-descriptor.m": "3"}
	buildOutput(t, o, "type=oci,dest="+filepath.Join(dest, "y.tar"))
	if top := indexJSON(t, filepath.Join(dest, "y.tar")).Manifests[0]; top.Annotations["m"] != "3" {
		t.Errorf("index.json lists %+v", top)
	}
}

// rewriteTimes returns output attributes that make an image independent of the build time.
func rewriteTimes() map[string]string { return map[string]string{rewriteAttr: "true"} }
