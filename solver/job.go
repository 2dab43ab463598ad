package solver

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Job evaluates vertices, each at most once. Safe for concurrent use.
type Job struct {
	*env

	mu       sync.Mutex
	tasks    map[string]*task // by variant
	byVertex map[*Vertex]*task
	nested   map[digest.Digest][]digest.Digest // build operations in the definition of a build operation
}

// New returns a job that ends with ctx.
func New(ctx context.Context, opt Options) *Job {
	j := &Job{tasks: map[string]*task{}, byVertex: map[*Vertex]*task{}, nested: map[digest.Digest][]digest.Digest{}}
	j.env = newEnv(ctx, opt)
	j.env.nested = j.nest
	return j
}

// Wait blocks until every goroutine started by j has returned. Call it after the
// last use of j. If results are still pending, cancel the context of j first.
func (j *Job) Wait() { j.work.group.Wait() }

// Result returns the result of a graph without evaluating it.
func (j *Job) Result(g *Graph) *Result {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, v := range g.Vertices {
		var in []*Result
		for _, e := range v.Inputs {
			in = append(in, &Result{task: j.byVertex[e.Vertex], index: e.Index})
		}
		j.byVertex[v] = j.task(v, in)
	}
	if g.Root.Vertex == nil {
		return nil
	}
	return &Result{task: j.byVertex[g.Root.Vertex], index: g.Root.Index}
}

// task returns the task of a vertex. Equal vertices of several graphs share a task.
//
// A vertex that ignores the cache has a task of its own, and so have its dependents. If
// this task exists already, equal vertices that may use the cache share it.
func (j *Job) task(v *Vertex, in []*Result) *task {
	id := string(v.Digest)
	for _, r := range in {
		if r.task.variant != string(r.task.v.Digest) {
			id += " " + r.task.variant
		}
	}
	always := id + " always"
	if t := j.tasks[always]; t != nil {
		return t
	}
	if v.Meta.IgnoreCache {
		id = always
	}
	if t := j.tasks[id]; t != nil {
		return t
	}
	t := newTask(j.env, v, newOp(j.env, v), in)
	t.variant = id
	if id != string(v.Digest) {
		t.variant = digest.FromString(id).String()
	}
	j.tasks[id] = t
	return t
}

// Key returns the cache key of a vertex, and reports whether it was computed.
func (j *Job) Key(v *Vertex) (Key, bool) {
	j.mu.Lock()
	t := j.byVertex[v]
	j.mu.Unlock()
	if t == nil {
		return Key{}, false
	}
	l, ok := t.found.peek()
	if !ok {
		l, ok = t.probed.peek()
	}
	return l.key, ok && len(l.key.Parts) > 0
}

// Finish reports as cached the vertices of g that a successful build did not evaluate,
// because their dependents were cache hits.
func (j *Job) Finish(g *Graph) {
	for _, v := range g.Vertices {
		j.mu.Lock()
		t := j.byVertex[v]
		j.mu.Unlock()
		if t != nil {
			t.skip()
		}
	}
}

// nest returns the result of a definition that the build operation v evaluates. It
// returns an error if the definition contains v, because each would wait for the other.
// This is possible because the digest of v does not cover the file with the definition.
func (j *Job) nest(v *Vertex, g *Graph) (*Result, error) {
	var builds []digest.Digest
	for _, w := range g.Vertices {
		if w.Op.GetBuild() != nil {
			builds = append(builds, w.Digest)
		}
	}
	r := j.Result(g)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.needs(builds, v.Digest, map[digest.Digest]bool{}) {
		return nil, errors.New("the definition has the operation in it that builds it")
	}
	j.nested[v.Digest] = builds
	return r, nil
}

// needs reports whether one of builds is the operation one, or waits for it.
func (j *Job) needs(builds []digest.Digest, one digest.Digest, seen map[digest.Digest]bool) bool {
	return slices.ContainsFunc(builds, func(d digest.Digest) bool {
		if d == one {
			return true
		}
		if seen[d] {
			return false
		}
		seen[d] = true
		return j.needs(j.nested[d], one, seen)
	})
}
