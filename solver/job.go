package solver

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Job evaluates the vertices of one build. It evaluates each vertex at most once. Safe for
// concurrent use.
type Job struct {
	*env

	mu       sync.Mutex
	tasks    map[string]*task // by variant
	byVertex map[*Vertex]*task
	nested   map[digest.Digest][]digest.Digest // by build operation: the build operations in its definition
}

// New returns a job without vertices. If ctx ends, its evaluations end with an error.
func New(ctx context.Context, opt Options) *Job {
	j := &Job{tasks: map[string]*task{}, byVertex: map[*Vertex]*task{}, nested: map[digest.Digest][]digest.Digest{}}
	j.env = newEnv(ctx, opt)
	j.env.nested = j.nest
	return j
}

// Wait blocks until every goroutine started by j has returned. Call it after the
// last use of j. If results are still pending, cancel the context of j first.
func (j *Job) Wait() { j.work.group.Wait() }

// Result adds the vertices of a graph to the job and returns the result of the graph
// without evaluating it. If the graph is empty, the result is nil.
func (j *Job) Result(g *Graph) *Result {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, v := range g.Vertices {
		var in []*Result
		for _, e := range v.Inputs {
			in = append(in, j.use(e))
		}
		j.byVertex[v] = j.task(v, in)
	}
	if g.Root.Vertex == nil {
		return nil
	}
	return j.use(g.Root)
}

// use returns the result of an edge, whose vertex has a task. The caller must hold j.mu.
func (j *Job) use(e Edge) *Result {
	t := j.byVertex[e.Vertex]
	t.used.add(e.Index)
	return &Result{task: t, index: e.Index}
}

// task returns the task that evaluates the vertex v with the given inputs. If several graphs
// contain equal vertices, these share a task.
//
// A vertex that ignores the cache, directly or through a transitive input, has a separate
// task. If such a task already exists, task also returns it for an equal vertex that may use
// the cache.
func (j *Job) task(v *Vertex, inputs []*Result) *task {
	id := string(v.Digest)
	for _, r := range inputs {
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
	t := newTask(j.env, v, newOp(j.env, v), inputs)
	t.variant = id
	if id != string(v.Digest) {
		t.variant = digest.FromString(id).String()
	}
	j.tasks[id] = t
	return t
}

// Key returns the cache key of a vertex without evaluating the vertex. The result cached
// reports whether a cache has the outputs of the vertex. The result ok reports whether the job
// has computed the key.
func (j *Job) Key(v *Vertex) (key Key, cached, ok bool) {
	j.mu.Lock()
	t := j.byVertex[v]
	j.mu.Unlock()
	if t == nil {
		return Key{}, false, false
	}
	l, ok := t.lookupResult.peek()
	if !ok {
		l, ok = t.probeResult.peek()
	}
	return l.key, l.ok, ok && len(l.key.Parts) > 0
}

// Finish sends the event Cached for each vertex of g that has no event yet. Call it after a
// successful build: these vertices were not evaluated because their dependents were cache
// hits.
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

// nest returns the result of g, the definition that the build operation v evaluates. If g
// contains v, directly or in a nested build operation, nest returns an error: the
// evaluation of g would wait for v forever. Such cycles can exist, because the digest of v
// does not cover the file that contains the definition.
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
	if j.dependsOn(builds, v.Digest, map[digest.Digest]bool{}) {
		return nil, errors.New("the definition has the operation in it that builds it")
	}
	j.nested[v.Digest] = builds
	return r, nil
}

// dependsOn reports whether a list of build operations contains the operation with the digest
// target. It also returns true if the definition of a listed operation contains that operation
// at any depth. The parameter visited contains the operations that were already searched.
func (j *Job) dependsOn(builds []digest.Digest, target digest.Digest, visited map[digest.Digest]bool) bool {
	return slices.ContainsFunc(builds, func(d digest.Digest) bool {
		if d == target {
			return true
		}
		if visited[d] {
			return false
		}
		visited[d] = true
		return j.dependsOn(j.nested[d], target, visited)
	})
}
