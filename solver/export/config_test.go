package export

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
)

// TestHistoryTimes: entries have the times of their layers.
func TestHistoryTimes(t *testing.T) {
	at := func(hour int) *time.Time {
		t := time.Date(2020, 1, 1, hour, 0, 0, 0, time.UTC)
		return &t
	}
	layer := func(hour int) *solver.Blob { return &solver.Blob{DiffID: digest.FromString("x"), Created: *at(hour)} }
	base := &solver.Blob{DiffID: digest.FromString("base")}
	for _, tc := range []struct {
		about   string
		history []ocispecs.History
		blobs   []*solver.Blob
		epoch   *time.Time
		want    []int
	}{
		{"nothing", nil, nil, nil, []int{23}},
		{"no layer", []ocispecs.History{{EmptyLayer: true}}, nil, nil, []int{23, 23}},
		{"base alone", []ocispecs.History{{Created: at(1)}, {Created: at(2), EmptyLayer: true}}, []*solver.Blob{base}, nil, []int{1, 2, 2}},
		{"words on a base", []ocispecs.History{{Created: at(1)}, {EmptyLayer: true}}, []*solver.Blob{base}, nil, []int{1, 1, 1}},
		{"layers on a base", []ocispecs.History{{Created: at(1)}, {EmptyLayer: true}, {}, {EmptyLayer: true}, {}, {EmptyLayer: true}}, []*solver.Blob{base, layer(5), layer(6)}, nil, []int{1, 5, 5, 5, 6, 6, 6}},
		{"a base without times", []ocispecs.History{{}, {}}, []*solver.Blob{base, layer(5)}, nil, []int{5, 5, 5}},
		{"epoch", []ocispecs.History{{Created: at(1)}, {}, {EmptyLayer: true}}, []*solver.Blob{base, layer(5)}, at(3), []int{1, 3, 3, 3}},
	} {
		config, err := json.Marshal(ocispecs.Image{History: tc.history})
		if err != nil {
			t.Fatal(err)
		}
		x := &Exporter{Now: *at(23)}
		data, err := x.config(Result{Config: config, Epoch: tc.epoch}, tc.blobs)
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
