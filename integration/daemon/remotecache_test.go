//go:build integration

package daemon

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/builder"
	"slipway/builder/remote"
)

// cacheCase is a build whose steps produce different output each time they are executed.
type cacheCase struct {
	name, mode string // mode is the export mode of the registry cache: min or max
	dockerfile string
	changed    []string // steps that a build executes after file a has got other content of the same length
}

// randomCommand is a shell command that prints different output each time. It replaces the
// word RANDOM in the tests' Dockerfiles.
const randomCommand = "cat /proc/sys/kernel/random/uuid"

var cacheCases = []cacheCase{
	{name: "context", mode: "min", dockerfile: `FROM busybox
WORKDIR /w
RUN RANDOM > /out
COPY a dir/*.txt ./
COPY --chmod=600 --chown=1:2 dir d
ADD --exclude=*.md dir e/
COPY . /all
COPY <<-EOF here
	text
EOF
RUN <<EOF
	ls -lR /w
	RANDOM >> /out
EOF
`, changed: []string{"4/9", "5/9", "6/9", "7/9", "8/9", "9/9"}},
	{name: "mounts", mode: "max", dockerfile: `FROM busybox AS tools
RUN RANDOM > /tool
FROM busybox
RUN --mount=type=bind,source=dir,target=/m --mount=type=cache,target=/c --mount=type=tmpfs,target=/t cat /m/b.txt > /c/x; RANDOM > /out
RUN --mount=from=tools,target=/m,rw --mount=type=cache,id=own,target=/c,sharing=locked cat /m/tool >> /out; RANDOM >> /out
`},
	{name: "stages", mode: "min", dockerfile: `FROM busybox AS base
RUN RANDOM > /base
FROM base AS left
COPY a /src/
RUN cat /src/a > /left; RANDOM >> /left
FROM base AS right
RUN RANDOM > /right
RUN mkdir -p /deep/er; RANDOM > /deep/er/file
FROM scratch AS gathered
COPY --from=left /left /
COPY --link --from=right /right /deep /sub/
FROM base
COPY --link --from=gathered /sub /l
COPY --from=gathered / /g
RUN cat /base /g/left /g/sub/right /g/sub/er/file /l/right > /out; RANDOM >> /out
`, changed: []string{"gathered 1/2", "left 1/2", "left 2/2", "stage-4 2/3", "stage-4 3/3"}},
	{name: "sources", mode: "max", dockerfile: `FROM busybox
ADD URL/file /f
ADD --checksum=sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 --chmod=600 URL/file /g
RUN RANDOM > /out
`},
	// If a step is executed again and its output is equal, steps that copy the output stay
	// cached.
	{name: "content", mode: "max", dockerfile: `FROM busybox AS made
COPY a /
RUN wc -c < /a > /size
FROM busybox
COPY --from=made /size /
RUN --mount=from=made,source=/size,target=/m RANDOM > /out
`, changed: []string{"made 2/3", "made 3/3"}},
}

// cacheBuilder is our solver or BuildKit, the two builders that exchange caches in the tests.
type cacheBuilder struct {
	name          string
	setEmptyState func(t *testing.T, o *builder.Options) // selects this builder, with an empty state
}

var sides = []cacheBuilder{
	{"slipway", func(t *testing.T, o *builder.Options) {
		o.State, o.Mirrors = t.TempDir(), map[string]string{"docker.io": shared.Addr}
	}},
	{"buildkitd", func(t *testing.T, o *builder.Options) {
		if err := shared.Client.Prune(t.Context(), nil, client.PruneAll); err != nil {
			t.Fatal(err)
		}
		o.Builder = &remote.Builder{Address: shared.Socket}
	}},
}

// TestRemoteCache checks that each builder can import a cache that the other one exported to a
// registry, and executes no cached step.
func TestRemoteCache(t *testing.T) {
	for _, c := range cacheCases {
		for _, from := range sides {
			for _, to := range sides {
				if from.name == to.name {
					continue
				}
				t.Run(c.name+" "+from.name+" to "+to.name, func(t *testing.T) {
					c.exchange(t, from, to)
				})
			}
		}
	}
}

func (c cacheCase) exchange(t *testing.T, from, to cacheBuilder) {
	o := c.options(t)
	dir, ref := t.TempDir(), shared.Addr+"/cache/"+digest.FromString(t.Name()).Encoded()[:12]
	caches := []client.CacheOptionsEntry{
		{Type: "local", Attrs: map[string]string{"dest": dir, "src": dir, "mode": "max", "image-manifest": "false"}},
		{Type: "registry", Attrs: map[string]string{"ref": ref, "mode": c.mode}},
	}
	for _, cache := range caches {
		if c.name == "mounts" { // BuildKit ignores the attribute, and the cache mounts in a cache
			cache.Attrs["mounts"] = "true"
		}
	}
	if from.name == "buildkitd" && c.mode == "max" {
		caches[1].Attrs["compression"], caches[1].Attrs["force-compression"] = "zstd", "true"
	}
	// BuildKit's client confuses manifests if one build exports several caches.
	exporting := o
	from.setEmptyState(t, &exporting)
	first, _ := buildOut(t, exporting, nil, caches[1:])
	if again, ran := buildOut(t, exporting, nil, caches[:1]); again != first {
		t.Errorf("steps %q ran again", ran)
	}
	if n, want := cacheMounts(t, dir), map[string]int{"mountsslipway": 2}[c.name+from.name]; n != want {
		t.Errorf("the cache has %d cache mounts, want %d", n, want)
	}
	for _, cache := range caches {
		got, ran := buildFresh(t, to, o, cache)
		if len(ran) > 0 || got != first {
			t.Errorf("%v: steps %q ran, the result is %q and was %q", cache, ran, got, first)
		}
	}
	writeFile(t, filepath.Join(o.Context, "a"), []byte("content of b"))
	_, ran := buildFresh(t, to, o, caches[0])
	if diff := cmp.Diff(c.changed, ran); diff != "" {
		t.Errorf("steps that ran with another file (-want +got):\n%s", diff)
	}
}

// cacheMounts returns the number of cache mounts in the cache in a directory.
func cacheMounts(t *testing.T, dir string) int {
	t.Helper()
	var index, cache ocispecs.Index
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	if err == nil {
		data, err = os.ReadFile(filepath.Join(dir, "blobs", "sha256", index.Manifests[0].Digest.Encoded()))
	}
	if err == nil {
		err = json.Unmarshal(data, &cache)
	}
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range cache.Manifests {
		if d.Annotations["slipway/cachemount.name"] != "" {
			n++
		}
	}
	return n
}

// TestInlineCache checks that each builder can import the inline cache of an image that the
// other builder exported.
func TestInlineCache(t *testing.T) {
	for _, i := range []int{0, 1} {
		from, to := sides[i], sides[1-i]
		t.Run(from.name+" to "+to.name, func(t *testing.T) {
			c := cacheCases[2]
			o := c.options(t)
			image := shared.Addr + "/cache/inline-" + from.name
			exporting := o
			exporting.Outputs = []builder.Output{{Type: "image", Push: true, Name: image}}
			from.setEmptyState(t, &exporting)
			first, _ := buildOut(t, exporting, nil, []client.CacheOptionsEntry{{Type: "inline"}})
			got, ran := buildFresh(t, to, o, client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": image}})
			if len(ran) > 0 || got != first {
				t.Errorf("steps %q ran, the result is %q and was %q", ran, got, first)
			}
		})
	}
}

func buildFresh(t *testing.T, s cacheBuilder, o builder.Options, from client.CacheOptionsEntry) (out string, ran []string) {
	t.Helper()
	s.setEmptyState(t, &o)
	return buildOut(t, o, []client.CacheOptionsEntry{from}, nil)
}

// buildOut runs a build. It returns the content of /out in the result, and the numbers of
// the executed steps, such as "4/9".
func buildOut(t *testing.T, o builder.Options, from, to []client.CacheOptionsEntry) (out string, ran []string) {
	t.Helper()
	dest := t.TempDir()
	o.Outputs = append(o.Outputs, builder.Output{Type: "local", Dest: dest})
	o.CacheFrom, o.CacheTo = entries(from, "dest", "mode", "image-manifest", "compression", "force-compression"), entries(to, "src")
	vertices, fetched := map[digest.Digest]*client.Vertex{}, map[digest.Digest]bool{}
	o.Status = func(s *client.SolveStatus) {
		for _, v := range s.Vertexes {
			vertices[v.Digest] = v
		}
		for _, st := range s.Statuses {
			fetched[st.Vertex] = true // BuildKit reports this status for steps that it imports from a registry
		}
	}
	if err := builder.Run(t.Context(), o); err != nil {
		t.Fatal(errorText(err))
	}
	for _, v := range vertices {
		if len(v.Inputs) == 0 {
			continue // not a step: the download for an ADD has the name of the ADD
		}
		step, what, ok := strings.Cut(strings.TrimPrefix(v.Name, "["), "] ")
		if ok && step != "internal" && !strings.HasPrefix(what, "FROM ") && !strings.HasPrefix(what, "LINK ") && !v.Cached && !fetched[v.Digest] {
			ran = append(ran, step)
		}
	}
	slices.Sort(ran)
	data, err := os.ReadFile(filepath.Join(dest, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data), ran
}

// entries returns a copy of the cache options of a build. The copy lacks the attributes with
// the given names and, for registry caches, the attribute src.
func entries(list []client.CacheOptionsEntry, without ...string) []client.CacheOptionsEntry {
	var out []client.CacheOptionsEntry
	for _, e := range list {
		e.Attrs = maps.Clone(e.Attrs)
		for _, k := range without {
			delete(e.Attrs, k)
		}
		if e.Type == "registry" {
			delete(e.Attrs, "src")
		}
		out = append(out, e)
	}
	return out
}

// options returns the options for building the Dockerfile of a case. Both builders get the same
// options.
func (c cacheCase) options(t *testing.T) builder.Options {
	t.Helper()
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2023 03:04:05 GMT")
		_, _ = io.WriteString(w, "x")
	}))
	t.Cleanup(files.Close)
	text := strings.NewReplacer("RANDOM", randomCommand, "URL", files.URL).Replace(c.dockerfile)
	dir := t.TempDir()
	for name, data := range map[string]string{
		"Dockerfile": text,
		"a":          "content of a", "dir/b.txt": "b", "dir/c.md": "c", "dir/sub/d.txt": "d", "other/unused": "x",
	} {
		writeFile(t, filepath.Join(dir, name), []byte(data))
	}
	return builder.Options{Context: dir, Now: time.Now}
}
