package remotecache

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	cacheconfig "github.com/moby/buildkit/cache/remotecache/v1/types"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
)

// sum returns the digest of s.
func sum(s string) digest.Digest { return digest.FromString(s) }

// TestBadConfig checks that decodeConfig rejects invalid configs, for example with
// invalid digests, with links to missing layers or records, or with cycles.
func TestBadConfig(t *testing.T) {
	d := fmt.Sprintf("%q", sum("x"))
	for _, tc := range []struct{ about, config, want string }{
		{"no JSON", `{`, "unexpected end"},
		{"another type", `{"records": 1}`, "cannot unmarshal"},
		{"no digest", `{"records": [{}]}`, "record 0: invalid checksum digest format"},
		{"a bad digest", `{"layers": [{"blob": "../../etc/passwd", "parent": -1}]}`, "layer 0: invalid checksum digest format"},
		{"a parent that does not exist", `{"layers": [{"blob": ` + d + `, "parent": 1}]}`, "layer 0 is on layer 1 of 1"},
		{"a negative parent", `{"layers": [{"blob": ` + d + `, "parent": -2}]}`, "layer 0 is on layer -2 of 1"},
		{"a layer on itself", `{"layers": [{"blob": ` + d + `}]}`, "layer 0 is on itself"},
		{"layers on each other", `{"layers": [{"blob": ` + d + `, "parent": 1}, {"blob": ` + d + `}]}`, "is on itself"},
		{"a result that does not exist", `{"records": [{"digest": ` + d + `, "layers": [{"layer": 0}]}]}`, "record 0: a result is layer 0 of 0"},
		{"a chained result that does not exist", `{"records": [{"digest": ` + d + `, "chains": [{"layers": [-1]}]}]}`, "record 0: a result is layer -1 of 0"},
		{"an input without links", `{"records": [{"digest": ` + d + `, "inputs": [[]]}]}`, "record 0: an input has no links"},
		{"an input that does not exist", `{"records": [{"digest": ` + d + `, "inputs": [[{"link": 7}]]}]}`, "record 0: an input is record 7 of 1"},
		{"its own input", `{"records": [{"digest": ` + d + `, "inputs": [[{"link": 0}]]}]}`, "record 0 is its own input"},
		{"inputs of each other", `{"records": [{"digest": ` + d + `, "inputs": [[{"link": 1}]]}, {"digest": ` + d + `, "inputs": [[{"link": 0}]]}]}`, "is its own input"},
	} {
		if _, err := decodeConfig([]byte(tc.config)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", tc.about, err, tc.want)
		}
	}
}

// TestBadManifest checks that parseManifest returns an error for invalid manifests.
func TestBadManifest(t *testing.T) {
	for _, tc := range []struct{ about, manifest, want string }{
		{"no JSON", `]`, "invalid character"},
		{"a bad digest", `{"layers": [{"digest": "x"}]}`, "invalid checksum digest format"},
	} {
		if _, _, _, err := parseManifest([]byte(tc.manifest)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", tc.about, err, tc.want)
		}
	}
}

// testCache returns a cache with the config c. The manifest of the cache lists all layers
// in c, except for the given digests.
func testCache(c *cacheconfig.CacheConfig, missing ...digest.Digest) *Cache {
	layers := map[digest.Digest]ocispecs.Descriptor{}
	for _, l := range c.Layers {
		layers[l.Blob] = ocispecs.Descriptor{Digest: l.Blob}
	}
	for _, d := range missing {
		delete(layers, d)
	}
	return newCache(nil, "test", c, layers)
}

// TestFind checks that Find returns a record only if its digest matches and every input
// matches. An input matches if it has a link to one of the requested records, with the
// requested selector.
func TestFind(t *testing.T) {
	in := func(list ...cacheconfig.CacheInput) []cacheconfig.CacheInput { return list }
	c := testCache(&cacheconfig.CacheConfig{Records: []cacheconfig.CacheRecord{
		{Digest: sum("base")},
		{Digest: sum("files")},
		{Digest: sum("copy"), Inputs: [][]cacheconfig.CacheInput{
			in(cacheconfig.CacheInput{LinkIndex: 0}),
			in(cacheconfig.CacheInput{LinkIndex: 0, Selector: "sel"}, cacheconfig.CacheInput{LinkIndex: 1}),
		}},
	}})
	m := NewImports([]*Cache{testCache(&cacheconfig.CacheConfig{}), c}, nil, nil)
	base, files := m.Find(sum("base"), nil), m.Find(sum("files"), nil)
	link := func(selector string, r []solver.Record) []solver.Link {
		return []solver.Link{{Selector: digest.Digest(selector), Records: r}}
	}
	for _, tc := range []struct {
		about  string
		inputs [][]solver.Link
		want   int
	}{
		{"by identity", [][]solver.Link{link("", base), link("sel", base)}, 1},
		{"by content", [][]solver.Link{link("", base), link("", files)}, 1},
		{"another selector", [][]solver.Link{link("", base), link("other", base)}, 0},
		{"an input too few", [][]solver.Link{link("", base)}, 0},
		{"an input too many", [][]solver.Link{link("", base), link("", files), link("", base)}, 0},
		{"no inputs", nil, 0},
		{"inputs without records", [][]solver.Link{link("", nil), link("sel", nil)}, 0},
		{"inputs of another cache", [][]solver.Link{link("", []solver.Record{{Cache: 0, Index: 0}}), link("sel", base)}, 0},
	} {
		if got := m.Find(sum("copy"), tc.inputs); len(got) != tc.want {
			t.Errorf("%s: got %v, want %d records", tc.about, got, tc.want)
		}
	}
}

// TestResult checks that Result returns the newest result whose layers are all listed in
// the manifest.
func TestResult(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2024, 1, n, 0, 0, 0, 0, time.UTC) }
	c := &cacheconfig.CacheConfig{
		Layers: []cacheconfig.CacheLayer{{Blob: sum("c"), ParentIndex: 1}, {Blob: sum("b"), ParentIndex: 2}, {Blob: sum("a"), ParentIndex: -1}},
		Records: []cacheconfig.CacheRecord{{Digest: sum("x"), Results: []cacheconfig.CacheResult{
			{LayerIndex: 2, CreatedAt: day(1)}, {LayerIndex: 0, CreatedAt: day(3)}, {LayerIndex: 1, CreatedAt: day(2)},
		}, ChainedResults: []cacheconfig.ChainedResult{{LayerIndexes: []int{2, 0}, CreatedAt: day(2)}}}},
	}
	for _, tc := range []struct {
		missing string
		want    string
	}{{"", "a b c"}, {"b", "a c"}, {"c", "a b"}, {"a", ""}} {
		m := NewImports([]*Cache{testCache(c, sum(tc.missing))}, nil, nil)
		id := m.Result([]solver.Record{{}})
		var want layerChain
		for _, l := range strings.Fields(tc.want) {
			want.layers = append(want.layers, ocispecs.Descriptor{Digest: sum(l)})
		}
		if tc.want == "" && id != "" || tc.want != "" && id != want.id() {
			t.Errorf("without %q: %v, want %s", tc.missing, m.results[id].layers, tc.want)
		}
	}
}

// FuzzConfig checks that Find and Result do not panic for an arbitrary config that
// decodeConfig accepts, and that Find returns each record for its own inputs.
func FuzzConfig(f *testing.F) {
	d := sum("x")
	for _, c := range []cacheconfig.CacheConfig{
		{},
		{
			Layers: []cacheconfig.CacheLayer{{Blob: d, ParentIndex: -1}, {Blob: d}},
			Records: []cacheconfig.CacheRecord{
				{Digest: d, Results: []cacheconfig.CacheResult{{LayerIndex: 1}}, ChainedResults: []cacheconfig.ChainedResult{{LayerIndexes: []int{0, 1}}}},
				{Digest: d, Inputs: [][]cacheconfig.CacheInput{{{LinkIndex: 0, Selector: "s"}, {LinkIndex: 0}}}},
			},
		},
		{Layers: []cacheconfig.CacheLayer{{Blob: d, ParentIndex: 1}, {Blob: d}}},
		{Records: []cacheconfig.CacheRecord{{Digest: d, Inputs: [][]cacheconfig.CacheInput{{{LinkIndex: 0}}}}}},
		{Records: []cacheconfig.CacheRecord{{Digest: d, Results: []cacheconfig.CacheResult{{LayerIndex: -1}}}}},
	} {
		data, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, `{"config": {"mediaType": "`+configType+`", "digest": "`+string(d)+`"}, "layers": [{"digest": "`+string(d)+`"}]}`)
	}
	f.Add([]byte(`{}`), `{"manifests": [{"mediaType": "`+configType+`", "digest": "`+string(d)+`"}, {"digest": "sha256:"}]}`)
	f.Fuzz(func(t *testing.T, data []byte, manifest string) {
		_, layers, _, err := parseManifest([]byte(manifest))
		if err != nil {
			return
		}
		c, err := decodeConfig(data)
		if err != nil {
			return
		}
		m := NewImports([]*Cache{newCache(nil, "fuzz", c, layers)}, nil, nil)
		for i, r := range c.Records {
			inputs := make([][]solver.Link, len(r.Inputs))
			for n, list := range r.Inputs {
				inputs[n] = []solver.Link{{Selector: digest.Digest(list[0].Selector), Records: []solver.Record{{Index: list[0].LinkIndex}}}}
			}
			records := m.Find(r.Digest, inputs)
			if len(records) == 0 {
				t.Errorf("record %d is not found", i)
			}
			id := m.Result(records)
			if id == "" {
				continue
			}
			if res, err := m.find(id); err != nil || len(res.layers) == 0 {
				t.Errorf("record %d: result %v, %v", i, res, err)
			}
		}
	})
}

// FuzzInline checks that Result does not panic for the inline cache of an arbitrary image
// config, and that every returned result has layers.
func FuzzInline(f *testing.F) {
	d := sum("x")
	for _, records := range []string{
		"", "[]", "null", `[{"digest": "` + string(d) + `", "layers": [{"layer": 1}]}]`, `[{"digest": "` + string(d) + `", "chains": [{"layers": [1, 0]}]}]`,
		`[{"digest": "` + string(d) + `", "layers": [{"layer": 2}]}]`, `[{"digest": "` + string(d) + `", "inputs": [[{"link": 0}]]}]`,
	} {
		data, err := json.Marshal(imageConfig{RootFS: ocispecs.RootFS{DiffIDs: []digest.Digest{d, d}}, Cache: []byte(records)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		config, layers, err := inlineConfig(data, []ocispecs.Descriptor{{Digest: sum("a")}, {Digest: sum("b")}})
		if err != nil || config == nil {
			return
		}
		m := NewImports([]*Cache{newCache(nil, "fuzz", config, layers)}, nil, nil)
		for i := range config.Records {
			if id := m.Result([]solver.Record{{Index: i}}); id != "" {
				if res, err := m.find(id); err != nil || len(res.layers) == 0 {
					t.Errorf("record %d: result %v, %v", i, res, err)
				}
			}
		}
	})
}
