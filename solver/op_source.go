package solver

import (
	"context"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
)

// sourceOp implements source operations, which fetch an image, a git repository, a file
// from an HTTP server or a local directory.
type sourceOp struct {
	opEnv
	op     *pb.SourceOp
	source Source // set by CacheMap
}

// CacheMap implements [Op]. It resolves the source, for example the tag of an image to a
// digest, because the cache key must cover the content.
func (o *sourceOp) CacheMap(ctx context.Context) (*CacheMap, error) {
	var err error
	if o.source, err = o.opt.Sources.Open(ctx, o.op, o.v.Op.Platform); err != nil {
		return nil, err
	}
	m := &CacheMap{Parts: []Part{{Name: "content", Digest: o.source.Digest(), Input: -1}}}
	named, ok := o.source.(NamedSource)
	if !ok || isLocal(o.v) {
		return m, nil
	}
	key, err := named.CacheKey()
	m.Exported = cachemap.OfSource(key)
	return m, err
}

// Run implements [Op].
func (o *sourceOp) Run(ctx context.Context, _ []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	s, err := o.source.Fetch(ctx)
	return []*snapshot.Snapshot{s}, err
}
