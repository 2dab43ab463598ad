package solver

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// Prediction is what a job knows about the vertices of a graph without running an operation.
type Prediction struct {
	Vertices map[digest.Digest]PredictedVertex
	Local    map[string]LocalSize // what the graph reads from each local directory, by its name
}

// PredictedVertex is what a job knows about a vertex without running it.
type PredictedVertex struct {
	State   PredictedState
	Content digest.Digest // digest of the files that the vertex reads from local directories; "" if it reads none
	Err     error         // the error of reading these files; nil if they can be read
}

// PredictedState specifies whether a vertex will run.
type PredictedState uint8

// The states of vertices before a build.
const (
	PredictedUnknown PredictedState = iota // depends on the outputs of a vertex that will run
	PredictedHit                           // a cache has the outputs, or caches have all that depends on them
	PredictedMiss                          // the operation will run
	PredictedAlways                        // the operation will run because it ignores the cache
)

// LocalSize is the number of regular files in a local directory, and their size in bytes.
type LocalSize struct {
	Files int
	Bytes int64
}

// Predict returns what is known about the vertices of g, which must be part of the job. It looks up
// cache keys and reads local directories, but runs no operation. It resolves sources, so that it
// may use the network.
func (j *Job) Predict(ctx context.Context, g *Graph) (*Prediction, error) {
	p := &Prediction{Vertices: map[digest.Digest]PredictedVertex{}, Local: map[string]LocalSize{}}
	for _, v := range g.Vertices {
		j.mu.Lock()
		t := j.byVertex[v]
		j.mu.Unlock()
		if err := p.add(ctx, t); err != nil {
			return nil, err
		}
	}
	p.hideUnneeded(g)
	return p, nil
}

// add adds the vertex of a task.
func (p *Prediction) add(ctx context.Context, t *task) error {
	if isLocal(t.v) {
		return p.addLocal(ctx, t)
	}
	m, err := t.describe(ctx)
	if err != nil {
		return t.located(err)
	}
	v := PredictedVertex{State: PredictedAlways}
	if !t.v.Meta.IgnoreCache {
		if v.State, err = t.predict(ctx, m); err != nil {
			return t.located(err)
		}
	}
	v.Content, v.Err = t.localContent(ctx, m)
	if v.Err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.Vertices[t.v.Digest] = v
	return nil
}

// predict returns the state of the vertex, which does not ignore the cache. The parameter m is its cache
// map.
func (t *task) predict(ctx context.Context, m *CacheMap) (PredictedState, error) {
	l, err := t.probe(ctx)
	switch {
	case err != nil:
		return PredictedUnknown, err
	case l.ok, t.inImports(ctx, l):
		return PredictedHit, nil
	case len(l.key.Parts) > 0, t.mustRun(m):
		return PredictedMiss, nil
	}
	return PredictedUnknown, nil
}

// addLocal adds the size of a local directory.
func (p *Prediction) addLocal(ctx context.Context, t *task) error {
	s, err := (&Result{task: t}).Snapshot(ctx)
	if err != nil {
		return err
	}
	root, err := s.Tree()
	if err != nil {
		return err
	}
	var size LocalSize
	err = root.EachFile(nil, func(_ tree.Location, n *tree.Node) {
		size.Files++
		size.Bytes += n.Blob().Size
	})
	p.Local[strings.TrimPrefix(t.v.Op.GetSource().GetIdentifier(), "local://")] = size
	p.Vertices[t.v.Digest] = PredictedVertex{State: PredictedMiss} // builds always read local directories
	return err
}

// localContent returns a digest of the files that the vertex reads from local directories, or "" if
// it reads none. The parameter m is the cache map of the vertex.
func (t *task) localContent(ctx context.Context, m *CacheMap) (digest.Digest, error) {
	var key Key
	for i, in := range t.in {
		if in == nil || !isLocal(in.task.v) || m.Deps[i].Content == nil {
			continue
		}
		parts, err := t.peekParts(ctx, m, i)
		if err != nil {
			return "", err
		}
		key.Parts = append(key.Parts, parts...)
	}
	if len(key.Parts) == 0 {
		return "", nil
	}
	return key.Digest(), nil
}

// hideUnneeded sets the state of a vertex to PredictedHit if caches have the outputs of everything
// that depends on it: the vertex is not evaluated then.
func (p *Prediction) hideUnneeded(g *Graph) {
	needed := map[*Vertex]bool{g.Root.Vertex: true}
	for _, v := range slices.Backward(g.Vertices) { // inputs come first in g.Vertices
		if !needed[v] {
			known := p.Vertices[v.Digest]
			known.State, known.Err = PredictedHit, nil
			p.Vertices[v.Digest] = known
			continue
		}
		if p.Vertices[v.Digest].State == PredictedHit {
			continue
		}
		for _, in := range v.Inputs {
			needed[in.Vertex] = true
		}
	}
}
