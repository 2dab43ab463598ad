package solver

import (
	"slices"
	"testing"

	"github.com/moby/buildkit/solver/pb"
)

// resets is a fake [Mounts]. Its method Reset discards no cache mounts and only records the
// ids that it is called with.
type resets struct {
	Mounts
	ids []string
}

func (r *resets) Reset(ids []string) error {
	r.ids = append(r.ids, ids...)
	return nil
}

// TestResetCacheMounts checks that ResetCacheMounts resets the cache mounts of steps that
// ignore the cache, and no others.
func TestResetCacheMounts(t *testing.T) {
	vertex := func(ignore bool, ids ...string) *Vertex {
		op := &pb.ExecOp{Mounts: []*pb.Mount{{Dest: "/"}}}
		for _, id := range ids {
			op.Mounts = append(op.Mounts, &pb.Mount{MountType: pb.MountType_CACHE, CacheOpt: &pb.CacheOpt{ID: id}})
		}
		return &Vertex{Op: &pb.Op{Op: &pb.Op_Exec{Exec: op}}, Meta: &pb.OpMetadata{IgnoreCache: ignore}}
	}
	g := &Graph{Vertices: []*Vertex{vertex(true, "a", "b"), vertex(false, "c"), vertex(true)}}
	r := &resets{}
	if err := New(t.Context(), Options{Mounts: r}).ResetCacheMounts(g); err != nil || !slices.Equal(r.ids, []string{"a", "b"}) {
		t.Errorf("reset %q, %v, want a and b", r.ids, err)
	}
	if err := New(t.Context(), Options{}).ResetCacheMounts(g); err != nil {
		t.Errorf("without mounts: %v", err)
	}
}
