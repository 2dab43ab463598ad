package builder

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/slowtest"
)

// cacheDockerfile copies one file from a stage into the result.
const cacheDockerfile = `FROM scratch AS base
COPY base /
FROM base AS made
COPY a /
RUN cat a > /b
FROM base
COPY --from=made /b /c
RUN cat c > /d
`

// entry parses a value of --cache-to or --cache-from, such as type=inline. It fails the
// test if the value is invalid.
func entry(t *testing.T, value string) []client.CacheOptionsEntry {
	t.Helper()
	list, err := ParseCache(value)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// steps runs a build with a new state directory. It returns the names of the steps that ran,
// such as "made 1/2", and the text that the build logged.
func steps(t *testing.T, o Options) (ran, told string) {
	t.Helper()
	o.State = t.TempDir()
	return stepsAgain(t, o)
}

func stepsAgain(t *testing.T, o Options) (ran, told string) {
	t.Helper()
	var b bytes.Buffer
	o.Log = &b
	names := map[string]bool{}
	o.Status = func(s *client.SolveStatus) {
		for _, v := range s.Vertexes {
			step, what, ok := strings.Cut(strings.TrimPrefix(v.Name, "["), "] ")
			if ok && step != "internal" && !strings.HasPrefix(what, "FROM") {
				names[step] = v.Completed != nil && !v.Cached
			}
		}
	}
	if got, err := buildFile(t, o, "d"); err != nil || got != "content\n" && got != "other\n" {
		t.Fatalf("built %q, %v", got, err)
	}
	var list []string
	for step, r := range names {
		if r {
			list = append(list, step)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", "), b.String()
}

const allSteps = "base 1/1, made 1/2, made 2/2, stage-2 1/2, stage-2 2/2"

// TestRemoteCache checks that a build on another machine that imports an exported cache runs no
// steps. It covers each type and mode of cache.
func TestRemoteCache(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	s := httptest.NewServer(registry.New(registry.Logger(log.New(&bytes.Buffer{}, "", 0))))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	for _, tc := range []struct {
		to, from string
		changed  string // steps that run after a change of a file
	}{
		{"type=local,dest=DIR", "type=local,src=DIR", "made 1/2, made 2/2, stage-2 1/2, stage-2 2/2"},
		{"type=local,dest=DIR,mode=max,tag=x", "type=local,src=DIR,tag=x", "made 1/2, made 2/2, stage-2 1/2, stage-2 2/2"},
		{"type=local,dest=DIR,image-manifest=false", "type=local,src=DIR", "made 1/2, made 2/2, stage-2 1/2, stage-2 2/2"},
		{host + "/cache", host + "/cache", "made 1/2, made 2/2, stage-2 1/2, stage-2 2/2"},
		{"type=registry,mode=max,ref=" + host + "/cache:x", host + "/cache:x", "made 1/2, made 2/2, stage-2 1/2, stage-2 2/2"},
		{"type=registry,oci-mediatypes=false,ref=" + host + "/docker", host + "/docker", "made 1/2, made 2/2, stage-2 1/2, stage-2 2/2"},
		{"type=local,dest=DIR,compression=zstd,force-compression=true", "type=local,src=DIR,mode=max", "made 1/2, made 2/2, stage-2 1/2, stage-2 2/2"},
		{"type=local,dest=DIR,compression=uncompressed,reset=true", "type=local,src=DIR", "made 1/2, made 2/2, stage-2 1/2, stage-2 2/2"},
	} {
		o := options(t, cacheDockerfile)
		dir := t.TempDir()
		o.CacheTo = entry(t, strings.ReplaceAll(tc.to, "DIR", dir))
		if ran, told := steps(t, o); ran != allSteps || told != "" {
			t.Errorf("%s: %s ran; told %s", tc.to, ran, told)
		}
		o.CacheTo, o.CacheFrom = nil, entry(t, strings.ReplaceAll(tc.from, "DIR", dir))
		if ran, told := steps(t, o); ran != "" || told != "" {
			t.Errorf("%s: %s ran again; told %s", tc.from, ran, told)
		}
		if err := os.WriteFile(filepath.Join(o.Context, "a"), []byte("other\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if ran, told := steps(t, o); ran != tc.changed || told != "" {
			t.Errorf("%s: %s ran with another file; told %s", tc.from, ran, told)
		}
	}
}

// TestCacheCompression checks the media types of the layers in an exported cache, also if the build
// has imported all layers with another compression.
func TestCacheCompression(t *testing.T) {
	o := options(t, cacheDockerfile)
	first, second := t.TempDir(), t.TempDir()
	o.CacheTo = entry(t, "type=local,compression=uncompressed,dest="+first)
	steps(t, o)
	o.CacheFrom = entry(t, "type=local,src="+first)
	o.CacheTo = entry(t, "type=local,compression=zstd,force-compression=true,dest="+second)
	if ran, told := steps(t, o); ran != "" || told != "" {
		t.Errorf("%s ran; told %s", ran, told)
	}
	for dir, want := range map[string]string{first: "tar", second: "tar+zstd"} {
		var idx ocispecs.Index
		var m ocispecs.Manifest
		data, err := os.ReadFile(filepath.Join(dir, "index.json"))
		if err == nil {
			err = json.Unmarshal(data, &idx)
		}
		if err == nil {
			data, err = os.ReadFile(filepath.Join(dir, "blobs", "sha256", idx.Manifests[0].Digest.Encoded()))
		}
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err != nil || len(m.Layers) == 0 {
			t.Fatalf("%d layers, %v", len(m.Layers), err)
		}
		for _, l := range m.Layers {
			if got := strings.TrimPrefix(l.MediaType, "application/vnd.oci.image.layer.v1."); got != want {
				t.Errorf("a layer has the type %s, want %s", got, want)
			}
		}
	}
}

// TestInlineCache checks that a build imports the inline cache from an image.
func TestInlineCache(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	s := httptest.NewServer(registry.New(registry.Logger(log.New(&bytes.Buffer{}, "", 0))))
	t.Cleanup(s.Close)
	name := strings.TrimPrefix(s.URL, "http://") + "/image:x"
	o := options(t, cacheDockerfile+"COPY --link a /linked\n")
	o.CacheTo = []client.CacheOptionsEntry{{Type: "inline"}}
	o.Outputs = []Output{{Type: "image", Push: true, Name: name}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.CacheTo, o.CacheFrom, o.Outputs = nil, entry(t, name), nil
	if ran, told := steps(t, o); ran != "" || told != "" {
		t.Errorf("%s ran again; told %s", ran, told)
	}
	plain := o
	plain.CacheFrom, plain.Outputs, plain.State = nil, []Output{{Type: "image", Push: true, Name: name}}, t.TempDir()
	if err := Run(t.Context(), plain); err != nil {
		t.Fatal(err)
	}
	if _, told := steps(t, o); !strings.Contains(told, name+" is not used: is no build cache, and no image with one") {
		t.Errorf("told %s", told)
	}
}

// TestRemoteCacheOfRemoteCache checks a build that imports one cache and exports another.
// The exported cache must contain all imported records, even ones that the build did not
// need.
func TestRemoteCacheOfRemoteCache(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	o := options(t, cacheDockerfile)
	first, second := t.TempDir(), t.TempDir()
	o.CacheTo = entry(t, "type=local,mode=max,dest="+first)
	steps(t, o)
	o.CacheFrom, o.CacheTo = entry(t, "type=local,src="+first), entry(t, "type=local,mode=max,dest="+second)
	if ran, _ := steps(t, o); ran != "" {
		t.Errorf("%s ran", ran)
	}
	if err := os.RemoveAll(first); err != nil {
		t.Fatal(err)
	}
	o.CacheFrom, o.CacheTo = entry(t, "type=local,src="+second), nil
	if ran, _ := steps(t, o); ran != "" {
		t.Errorf("%s ran with the cache that was exported twice, want no steps", ran)
	}
	file := filepath.Join(o.Context, "Dockerfile")
	if err := os.WriteFile(file, []byte(cacheDockerfile+"COPY --from=made /a /e\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if ran, _ := steps(t, o); ran != "stage-2 3/3" {
		t.Errorf("%s ran, want only the step that is new", ran)
	}
}

// TestRemoteCacheLostLayer checks that a build can export a cache again that has lost layers of results
// which the build does not need. The exported cache lacks these results, but not the others.
func TestRemoteCacheLostLayer(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	o := options(t, cacheDockerfile)
	needed, first, second := t.TempDir(), t.TempDir(), t.TempDir()
	o.State = t.TempDir()
	for _, to := range []string{"type=local,mode=min,dest=" + needed, "type=local,mode=max,dest=" + first} {
		o.CacheTo = entry(t, to)
		stepsAgain(t, o)
	}
	lost := 0
	damage(t, first, func(file string) []byte {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(needed, "blobs", "sha256", filepath.Base(file))); err == nil {
			return data
		}
		lost++
		return nil
	})
	if lost != 2 {
		t.Fatalf("%d layers are not part of the result, want the two of the stage made", lost)
	}
	removeEmpty(t, first)
	o.CacheFrom, o.CacheTo = entry(t, "type=local,src="+first), entry(t, "type=local,mode=max,dest="+second)
	if ran, told := steps(t, o); ran != "" || !strings.Contains(told, "(results that need it are not exported)") {
		t.Errorf("%s ran, and told %q, want no steps and a warning", ran, told)
	}
	o.CacheFrom, o.CacheTo = entry(t, "type=local,src="+second), nil
	if ran, told := steps(t, o); ran != "" || told != "" {
		t.Errorf("%s ran with the cache that was exported again, and told %q, want no steps", ran, told)
	}
	o.Target, o.State = "made", t.TempDir()
	if err := Run(t.Context(), o); err != nil {
		t.Errorf("a build of the stage whose results were lost: %v", err)
	}
}

// removeEmpty removes the empty blobs in a cache directory.
func removeEmpty(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err != nil || info.Size() > 0 {
			return err
		}
		return os.Remove(file)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRemoteCacheOwnFirst checks that a build fetches a result from a remote cache only if the
// state directory does not have it.
func TestRemoteCacheOwnFirst(t *testing.T) {
	o := options(t, cacheDockerfile)
	dir := t.TempDir()
	o.CacheTo = entry(t, "type=local,mode=max,dest="+dir)
	steps(t, o)
	o.CacheTo, o.CacheFrom = nil, entry(t, "type=local,src="+dir)
	own := o
	own.CacheFrom = nil
	if ran, _ := stepsAgain(t, own); ran != allSteps {
		t.Fatalf("%s ran", ran)
	}
	own.CacheFrom = o.CacheFrom
	damage(t, dir, func(string) []byte { return nil })
	if ran, told := stepsAgain(t, own); ran != "" || told != "" {
		t.Errorf("%s ran; told %s", ran, told)
	}
}

// TestRemoteCacheKept checks that results from a remote cache are stored in the state
// directory.
func TestRemoteCacheKept(t *testing.T) {
	o := options(t, cacheDockerfile)
	dir := t.TempDir()
	o.CacheTo = entry(t, "type=local,mode=max,dest="+dir)
	steps(t, o)
	o.CacheTo, o.CacheFrom, o.Target, o.State = nil, entry(t, "type=local,src="+dir), "made", t.TempDir()
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.CacheFrom, o.Target = nil, ""
	if ran, _ := stepsAgain(t, o); ran != "base 1/1, stage-2 1/2, stage-2 2/2" {
		t.Errorf("%s ran", ran)
	}
}

// damage replaces the content of each layer blob in the cache directory dir. The callback with
// receives the path of a blob and returns its new content.
func damage(t *testing.T, dir string, with func(string) []byte) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(data, []byte("\x1f\x8b")) {
			return err
		}
		return os.WriteFile(file, with(file), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRemoteCacheFails checks that, if a remote cache cannot be read, the build logs a warning
// and runs the steps instead.
func TestRemoteCacheFails(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	o := options(t, cacheDockerfile)
	dir := t.TempDir()
	o.CacheTo = entry(t, "type=local,mode=max,dest="+dir)
	steps(t, o)
	o.CacheTo = nil
	damage(t, dir, func(string) []byte { return []byte("no layer") })
	for from, want := range map[string]string{
		"type=local,src=/does/not/exist":                  "warning: cache /does/not/exist is not used: open /does/not/exist/index.json: no such file",
		"type=local,tag=other,src=" + dir:                 `has no cache with the tag "other"`,
		"127.0.0.1:1/nobody/answers":                      "connection refused",
		"type=local,src=" + dir:                           "warning: cache " + dir + ": layer 0: got sha256:",
		"type=local,digest=" + someDigest + ",src=" + dir: "no such file",
	} {
		o.CacheFrom = entry(t, from)
		ran, told := steps(t, o)
		if ran != allSteps || !strings.Contains(told, want) {
			t.Errorf("%s: %s ran; told %s, want %s", from, ran, told, want)
		}
		if n := strings.Count(told, ": layer 0: "); n > 1 {
			t.Errorf("%s: told of layer 0 %d times: %s", from, n, told)
		}
	}
	o.CacheFrom, o.CacheTo = nil, entry(t, "127.0.0.1:1/nobody/answers")
	o.State = t.TempDir()
	if _, err := buildFile(t, o, "d"); err == nil || !strings.Contains(err.Error(), "export cache to 127.0.0.1:1/nobody/answers: ") {
		t.Errorf("error %v", err)
	}
	o.CacheTo[0].Attrs["ignore-error"] = "true"
	if _, told := stepsAgain(t, o); !strings.Contains(told, "warning: cache 127.0.0.1:1/nobody/answers is not written: ") {
		t.Errorf("told %s", told)
	}
}

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// TestWarnPrintable checks that a warning with text from a server cannot control a
// terminal.
func TestWarnPrintable(t *testing.T) {
	var b strings.Builder
	o := Options{Log: &b}
	o.warn("cache %s: %v", "x", "\x1b[2J")
	if b.String() != "warning: cache x: ␛[2J\n" {
		t.Errorf("told %q", b.String())
	}
	b.Reset()
	if n, err := (&logWriter{w: &b}).Write([]byte("a\x1b]0;b\a\nc\n")); n != 10 || err != nil || b.String() != "a␛]0;b␇\nc\n" {
		t.Errorf("Write = %d, %v: %q", n, err, b.String())
	}
}
