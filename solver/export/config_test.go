package export

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/testtree"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// TestHistoryTimes checks the times that history entries without a time get from their layers
// or from other entries. It also checks the creation time of the image, with and without
// SOURCE_DATE_EPOCH.
func TestHistoryTimes(t *testing.T) {
	at := func(hour int) *time.Time {
		t := time.Date(2020, 1, 1, hour, 0, 0, 0, time.UTC)
		return &t
	}
	layer := func(hour int) *snapshot.LayerBlob {
		return &snapshot.LayerBlob{DiffID: digest.FromString("x"), Created: *at(hour)}
	}
	base := &snapshot.LayerBlob{DiffID: digest.FromString("base")}
	for _, tc := range []struct {
		about   string
		history []ocispecs.History
		blobs   []*snapshot.LayerBlob
		epoch   *time.Time
		want    []int
	}{
		{"nothing", nil, nil, nil, []int{23}},
		{"no layer", []ocispecs.History{{EmptyLayer: true}}, nil, nil, []int{23, 23}},
		{"base alone", []ocispecs.History{{Created: at(1)}, {Created: at(2), EmptyLayer: true}}, []*snapshot.LayerBlob{base}, nil, []int{1, 2, 2}},
		{"words on a base", []ocispecs.History{{Created: at(1)}, {EmptyLayer: true}}, []*snapshot.LayerBlob{base}, nil, []int{1, 1, 1}},
		{"layers on a base", []ocispecs.History{{Created: at(1)}, {EmptyLayer: true}, {}, {EmptyLayer: true}, {}, {EmptyLayer: true}}, []*snapshot.LayerBlob{base, layer(5), layer(6)}, nil, []int{1, 5, 5, 5, 6, 6, 6}},
		{"a base without times", []ocispecs.History{{}, {}}, []*snapshot.LayerBlob{base, layer(5)}, nil, []int{5, 5, 5}},
		{"a later epoch", []ocispecs.History{{Created: at(1)}, {}, {EmptyLayer: true}}, []*snapshot.LayerBlob{base, layer(5)}, at(9), []int{1, 5, 5, 5}},
		{"entries with times", []ocispecs.History{{Created: at(2)}, {Created: at(4), EmptyLayer: true}}, []*snapshot.LayerBlob{layer(5)}, at(3), []int{2, 3, 3}},
		{"nothing, and an epoch", nil, nil, at(3), []int{3}},
		{"epoch", []ocispecs.History{{Created: at(1)}, {}, {EmptyLayer: true}}, []*snapshot.LayerBlob{base, layer(5)}, at(3), []int{1, 3, 3, 3}},
	} {
		config, err := json.Marshal(ocispecs.Image{History: tc.history})
		if err != nil {
			t.Fatal(err)
		}
		x := &Exporter{Now: *at(23)}
		data, err := x.config(PlatformResult{Config: config, Epoch: tc.epoch}, tc.blobs)
		if err != nil {
			t.Fatal(err)
		}
		var image ocispecs.Image
		if err := json.Unmarshal(data, &image); err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, h := range image.History {
			got = append(got, h.Created.Hour())
		}
		if diff := cmp.Diff(tc.want, append(got, image.Created.Hour())); diff != "" {
			t.Errorf("%s: hours of the history and of the image (-want +got):\n%s", tc.about, diff)
		}
	}
}

// TestHistoryOfBase checks that SOURCE_DATE_EPOCH leaves the history entries of the base
// image unchanged. It limits the times of the first entry that differs from the base
// image, and of all later entries.
func TestHistoryOfBase(t *testing.T) {
	at := func(year int) *time.Time {
		t := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		return &t
	}
	base := []ocispecs.History{{Created: at(2020), CreatedBy: "a"}, {Created: at(2021), CreatedBy: "b"}, {Created: at(2022), CreatedBy: "c"}}
	for about, tc := range map[string]struct {
		history []ocispecs.History
		want    []int
	}{
		"the base alone":  {base, []int{2020, 2021, 2022, 2022}},
		"less of it":      {base[:1], []int{2020, 2020}},
		"a step on it":    {append(base[:3:3], ocispecs.History{Created: at(2023)}), []int{2020, 2021, 2022, 2010, 2010}},
		"another in it":   {[]ocispecs.History{base[0], {Created: at(2021), CreatedBy: "x"}, base[2]}, []int{2020, 2010, 2010, 2010}},
		"an earlier step": {append(base[:3:3], ocispecs.History{Created: at(2001)}), []int{2020, 2021, 2022, 2001, 2001}},
	} {
		var blobs []*snapshot.LayerBlob
		for range tc.history {
			blobs = append(blobs, &snapshot.LayerBlob{DiffID: digest.FromString("x")})
		}
		var data [2][]byte
		for i, h := range [][]ocispecs.History{tc.history, base} {
			var err error
			if data[i], err = json.Marshal(ocispecs.Image{History: h}); err != nil {
				t.Fatal(err)
			}
		}
		x := &Exporter{Now: *at(2030)}
		config, err := x.config(PlatformResult{Config: data[0], Base: data[1], Epoch: at(2010)}, blobs)
		if err != nil {
			t.Fatal(err)
		}
		var image ocispecs.Image
		if err := json.Unmarshal(config, &image); err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, h := range image.History {
			got = append(got, h.Created.Year())
		}
		if diff := cmp.Diff(tc.want, append(got, image.Created.Year())); diff != "" {
			t.Errorf("%s: years of the history and of the image (-want +got):\n%s", about, diff)
		}
	}
	if _, err := (&Exporter{}).config(PlatformResult{Config: []byte("{}"), Base: []byte("["), Epoch: at(2010)}, nil); err == nil {
		t.Error("no error for a damaged config of the base image")
	}
}

// TestRewrittenLayers checks that RewriteTimes rewrites the first layer that differs from
// the base image and all layers above it. The layers below stay unchanged.
func TestRewrittenLayers(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	x := &Exporter{Store: store, Layers: &Layers{Store: store, Dir: t.TempDir()}}
	epoch := time.Unix(1, 0)
	blob := func(name string) *snapshot.LayerBlob {
		d := digest.FromString(name)
		return &snapshot.LayerBlob{DiffID: d, Descriptor: ocispecs.Descriptor{Digest: d, MediaType: ocispecs.MediaTypeImageLayerGzip}}
	}
	layers := func(names ...string) *snapshot.Snapshot {
		var s *snapshot.Snapshot
		for _, n := range names {
			link := tree.NewSymlink(tree.Meta{ModTime: time.Unix(5, 0)}, "x")
			dir, err := tree.NewDir(tree.Meta{Mode: 0o755}, append(slices.Clone(testtree.Must(testtree.Of(s).Entries())), tree.Entry{Name: n, Node: link}))
			if err != nil {
				t.Fatal(err)
			}
			s = s.WithBlob(dir, blob(n))
		}
		return s
	}
	base, err := json.Marshal(ocispecs.Image{RootFS: ocispecs.RootFS{DiffIDs: []digest.Digest{blob("a").DiffID, blob("b").DiffID}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		about   string
		names   []string
		epoch   *time.Time
		rewrite bool
		kept    string
	}{
		{"not asked for", []string{"a", "b", "c"}, &epoch, false, "abc"},
		{"no epoch", []string{"a", "b", "c"}, nil, true, "abc"},
		{"a layer on the base", []string{"a", "b", "c"}, &epoch, true, "ab"},
		{"another layer in the base", []string{"a", "c", "b"}, &epoch, true, "a"},
		{"the base alone", []string{"a", "b"}, &epoch, true, "ab"},
	} {
		blobs, err := x.blobs(t.Context(), PlatformResult{Snapshot: layers(tc.names...), Base: base, Epoch: tc.epoch, RewriteTimes: tc.rewrite})
		if err != nil {
			t.Fatal(err)
		}
		kept := ""
		for i, b := range blobs {
			rewritten := b.Descriptor.Annotations["buildkit/rewritten-timestamp"]
			if b.DiffID == blob(tc.names[i]).DiffID {
				kept += tc.names[i]
			} else if rewritten != "1" {
				t.Errorf("%s: layer %s has the annotation %q for rewritten times, want 1", tc.about, tc.names[i], rewritten)
			}
		}
		if kept != tc.kept {
			t.Errorf("%s: unchanged layers %s, want %s", tc.about, kept, tc.kept)
		}
	}
}

// TestDefaultConfig checks that an image has BuildKit's default config if the frontend
// sets none.
func TestDefaultConfig(t *testing.T) {
	for os, want := range map[string][]string{"linux": {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, "windows": nil} {
		data, err := (&Exporter{Now: time.Unix(1, 0)}).config(PlatformResult{Platform: ocispecs.Platform{OS: os, Architecture: "arm64"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got ocispecs.Image
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if got.OS != os || got.Architecture != "arm64" || got.Config.WorkingDir != "/" || !cmp.Equal(got.Config.Env, want) {
			t.Errorf("config of %s: %s", os, data)
		}
	}
}

// TestNullConfig checks that exporting a result fails if its image config is the JSON
// value null, as in BuildKit.
func TestNullConfig(t *testing.T) {
	_, err := (&Exporter{}).config(PlatformResult{Config: []byte("null")}, nil)
	if err == nil || err.Error() != "invalid null image config for export" {
		t.Errorf("error %v", err)
	}
}
