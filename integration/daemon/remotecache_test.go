//go:build integration

package daemon

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"slipway/build"
)

// cacheCase is a build whose steps write what no other run of them writes.
type cacheCase struct {
	name, dockerfile string
	// min are the steps that run again where only mode=min was exported.
	min []string
}

// random is a step that writes something new each time.
const random = "cat /proc/sys/kernel/random/uuid"

var cacheCases = []cacheCase{
	{name: "run", dockerfile: "FROM busybox\nRUN " + random + " > /out\n"},
}

// side is one of the two that exchange caches.
type side struct {
	name string
	run  func(t *testing.T, o build.Options) // in fresh state
}

var sides = []side{
	{"slipway", func(t *testing.T, o build.Options) {
		o.State, o.Mirrors = t.TempDir(), map[string]string{"docker.io": builder.Addr}
		runBuild(t, o)
	}},
	{"buildkitd", func(t *testing.T, o build.Options) {
		if err := builder.Client.Prune(t.Context(), nil, client.PruneAll); err != nil {
			t.Fatal(err)
		}
		o.Builder = &build.Builder{Address: builder.Socket}
		runBuild(t, o)
	}},
}

func runBuild(t *testing.T, o build.Options) {
	t.Helper()
	if err := build.Run(t.Context(), o); err != nil {
		t.Fatal(report(err))
	}
}

// TestRemoteCache: what one side exports saves the other the steps.
func TestRemoteCache(t *testing.T) {
	for _, c := range cacheCases {
		for _, from := range sides {
			for _, to := range sides {
				t.Run(c.name+" "+from.name+" to "+to.name, func(t *testing.T) {
					c.exchange(t, from, to)
				})
			}
		}
	}
}

func (c cacheCase) exchange(t *testing.T, from, to side) {
	o := build.Options{Context: cacheContext(t), Now: time.Now}
	writeFile(t, filepath.Join(o.Context, "Dockerfile"), []byte(c.dockerfile))
	caches := map[string][]client.CacheOptionsEntry{}
	dir, ref := t.TempDir(), builder.Addr+"/cache/"+digest.FromString(t.Name()).Encoded()[:12]
	for _, mode := range []string{"min", "max"} {
		local := filepath.Join(dir, mode)
		caches[mode] = []client.CacheOptionsEntry{
			{Type: "local", Attrs: map[string]string{"dest": local, "src": local, "mode": mode}},
			{Type: "registry", Attrs: map[string]string{"ref": ref + ":" + mode, "mode": mode}},
		}
	}
	first, _ := c.build(t, from, o, nil, slices.Concat(caches["min"], caches["max"]))
	for _, mode := range []string{"min", "max"} {
		for _, cache := range caches[mode] {
			got, ran := c.build(t, to, o, []client.CacheOptionsEntry{cache}, nil)
			var want []string
			if mode == "min" {
				want = c.min
			}
			if diff := cmp.Diff(want, ran); diff != "" {
				t.Errorf("%s %s: steps that ran (-want +got):\n%s", cache.Type, mode, diff)
			}
			if want == nil && got != first {
				t.Errorf("%s %s: the result is %q, not %q", cache.Type, mode, got, first)
			}
		}
	}
}

// build returns the file /out of the result, and the steps that ran.
func (c cacheCase) build(t *testing.T, s side, o build.Options, from, to []client.CacheOptionsEntry) (out string, ran []string) {
	t.Helper()
	dest := t.TempDir()
	o.Outputs = []build.Output{{Type: "local", Dest: dest}}
	o.CacheFrom, o.CacheTo = entries(from, "dest", "mode"), entries(to, "src")
	vertices, fetched := map[digest.Digest]*client.Vertex{}, map[digest.Digest]bool{}
	o.Status = func(s *client.SolveStatus) {
		for _, v := range s.Vertexes {
			vertices[v.Digest] = v
		}
		for _, st := range s.Statuses {
			fetched[st.Vertex] = true // BuildKit tells so of steps that it gets from a registry
		}
	}
	s.run(t, o)
	for _, v := range vertices {
		if strings.Contains(v.Name, "/") && strings.HasPrefix(v.Name, "[") && !strings.HasPrefix(v.Name, "[internal]") &&
			!strings.Contains(v.Name, "FROM ") && !v.Cached && !fetched[v.Digest] {
			ran = append(ran, v.Name)
		}
	}
	slices.Sort(ran)
	data, err := os.ReadFile(filepath.Join(dest, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data), ran
}

// entries returns entries without attributes that are not for them.
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

func cacheContext(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string]string{
		"a": "content of a", "dir/b.txt": "b", "dir/c.md": "c", "dir/sub/d.txt": "d", "other/unused": "x",
	} {
		writeFile(t, filepath.Join(dir, name), []byte(data))
	}
	return dir
}
