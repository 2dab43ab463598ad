package llbsource

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/track"
)

// remoteLayer returns an uncompressed layer with one file. Opening the layer calls the
// function before, and fails if before returns an error.
func remoteLayer(t *testing.T, name, content string, before func(context.Context) error) RemoteLayer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, Typeflag: tar.TypeReg})
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	d := ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageLayer, Digest: digest.FromBytes(b.Bytes()), Size: int64(b.Len())}
	return RemoteLayer{
		LayerBlob: snapshot.LayerBlob{Descriptor: d, DiffID: d.Digest},
		Open: func(ctx context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(b.Bytes())), before(ctx)
		},
	}
}

func atOnce(context.Context) error { return nil }

// TestUnpackDuringFetch checks that a layer is unpacked while a layer below it is still being
// fetched.
func TestUnpackDuringFetch(t *testing.T) {
	s := hostileSources(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("timeout"))
	defer cancel()
	upper := remoteLayer(t, "b", "upper", atOnce)
	unpacking := make(chan struct{})
	var once sync.Once
	ctx = track.WithReporter(ctx, func(s track.Status) {
		if s.ID == "extracting "+upper.Descriptor.Digest.String() {
			once.Do(func() { close(unpacking) })
		}
	})
	lower := remoteLayer(t, "a", "lower", func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-unpacking:
			return nil
		}
	})
	if _, err := s.Unpack(ctx, solver.Origin{}, []RemoteLayer{lower, upper}); err != nil {
		t.Errorf("fetch a layer until the next one is being unpacked: error %v", err)
	}
}

// TestUnpackErrors checks which error Unpack returns if several layers are invalid or cannot
// be fetched. No task may remain unfinished in the progress output.
func TestUnpackErrors(t *testing.T) {
	invalid := func(name string) RemoteLayer { return remoteLayer(t, name, "x", atOnce) }
	unfetched := remoteLayer(t, "d", "y", func(context.Context) error { return errors.New("refused") })
	valid := remoteLayer(t, "v", "v", atOnce)
	wrong := remoteLayer(t, "w", "w", atOnce)
	wrong.DiffID = digest.FromString("other")
	for _, tc := range []struct {
		layers []RemoteLayer
		want   string
	}{
		{[]RemoteLayer{invalid("../a"), invalid("../b")}, `layer 0: layer entry "../a": the name leaves the layer`},
		{[]RemoteLayer{invalid("ok"), invalid("../b"), wrong}, `layer 1: layer entry "../b": the name leaves the layer`},
		{[]RemoteLayer{valid, wrong, invalid("../b")}, "layer 1: failed to verify layer: is " + wrong.Descriptor.Digest.String() + " uncompressed, and should be " + wrong.DiffID.String()},
		{[]RemoteLayer{invalid("../a"), unfetched}, "layer 1: refused"},
	} {
		running := map[string]bool{}
		var mu sync.Mutex
		ctx := track.WithReporter(t.Context(), func(s track.Status) {
			mu.Lock()
			defer mu.Unlock()
			running[s.ID] = !s.Done
		})
		_, err := hostileSources(t).Unpack(ctx, solver.Origin{}, tc.layers)
		if err == nil || err.Error() != tc.want {
			t.Errorf("error %v, want %s", err, tc.want)
		}
		for id, unfinished := range running {
			if unfinished {
				t.Errorf("the progress %q has not ended", id)
			}
		}
	}
}
