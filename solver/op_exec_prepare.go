package solver

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/track"
)

// preparer is implemented by operations that can prepare their inputs before the vertex
// starts, so that the duration of the vertex does not include the preparation. If the
// preparation fails, Run returns the error.
type preparer interface {
	prepare(ctx context.Context, in []*snapshot.Snapshot)
}

// prepare implements preparer: it writes the layers of the mounts to the host. It reports the
// unpacking of layers as the progress of a separate vertex, see [unpacks].
func (o *execOp) prepare(ctx context.Context, in []*snapshot.Snapshot) {
	p, ok := o.opt.Runner.(runner.Preparer)
	if !ok || o.checkPermissions() != nil {
		return
	}
	names := map[string]string{}
	s := &runner.Sandbox{}
	x := newExecRun(o, in)
	for _, m := range o.op.Mounts {
		if m.MountType != pb.MountType_BIND {
			continue
		}
		layers, err := x.base(m).Layers()
		if err != nil {
			return
		}
		out := runner.Mount{Kind: runner.MountTree}
		for i, l := range layers {
			out.Layers = append(out.Layers, l.LayerRef)
			names[string(l.Upper.ID())] = layerName(l, i, len(layers))
		}
		s.Mounts = append(s.Mounts, out)
	}
	begin := sync.OnceFunc(func() { o.unpacks.begin(o.events) })
	var reported atomic.Bool
	p.Prepare(track.WithReporter(ctx, func(s track.Status) {
		reported.Store(true)
		begin()
		s.ID = "unpacking " + cmp.Or(names[s.ID], "merged layers")
		o.events.emit(Event{Vertex: unpackVertex(), Kind: Progress, Status: s})
	}), s)
	if reported.Load() {
		o.unpacks.end(o.events)
	}
}

// layerName returns the name of a layer for progress messages: the digest of the blob if the
// layer comes from an image, such as sha256:…, or else its number, such as "layer 3/4".
func layerName(l snapshot.Layer, index, layers int) string {
	if l.Blob != nil {
		return l.Blob.Descriptor.Digest.String()
	}
	return fmt.Sprintf("layer %d/%d", index+1, layers)
}

// unpacks sends the events of a vertex that is part of no graph. The duration of this vertex
// is the time during which layers are unpacked for RUN steps. If no layer has to be unpacked,
// the vertex does not appear.
//
// Upstream: BuildKit also unpacks layers when the first step needs them, but reports this as
// progress of the vertex of the image, which starts again. Slipway has a separate vertex for
// two reasons. It has already read the layers of images for their cache keys. It may also have
// to unpack layers of other steps.
type unpacks struct {
	mu      sync.Mutex
	running int // number of steps for which layers are being unpacked
}

// begin is called before layers are unpacked for a step. It sends the event Started, unless
// layers are already being unpacked for another step.
func (u *unpacks) begin(e *events) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.running++; u.running == 1 {
		e.emit(Event{Vertex: unpackVertex(), Kind: Started})
	}
}

// end is called after layers were unpacked for a step. It sends the event Done, unless layers
// are still being unpacked for another step.
func (u *unpacks) end(e *events) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.running--; u.running == 0 {
		e.emit(Event{Vertex: unpackVertex(), Kind: Done})
	}
}

// unpackVertex returns the vertex whose events [unpacks] sends. It is the same in all jobs.
func unpackVertex() *Vertex {
	const name = "[internal] unpack layers"
	return &Vertex{
		Digest: digest.FromString(name), Op: &pb.Op{},
		Meta: &pb.OpMetadata{Description: map[string]string{"llb.customname": name}},
	}
}
