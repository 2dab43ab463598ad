package builder

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"slipway/builder/explain"
	"slipway/solver"
	"slipway/solver/gateway"
	"slipway/solver/track"
)

// statusInterval is the minimum time between two progress reports on the same task of a
// vertex, such as the download of a layer. BuildKit uses the same interval.
const statusInterval = 100 * time.Millisecond

// progress converts events of the solver to status messages, in the format that BuildKit sends
// to its clients. Safe for concurrent use.
type progress struct {
	send    func(*client.SolveStatus)
	explain *explain.Explainer
	now     func() time.Time

	mu       sync.Mutex
	vertices map[digest.Digest]*vertexState
}

// vertexState is the last reported state of a vertex.
type vertexState struct {
	client.Vertex
	running  int // number of evaluations that have started but not ended; a source may be resolved while it is evaluated
	statuses map[string]*client.VertexStatus
}

func newProgress(o *Options, x *explain.Explainer) *progress {
	send := o.Status
	if send == nil {
		send = func(*client.SolveStatus) {}
	}
	return &progress{send: send, explain: x, now: o.Now, vertices: map[digest.Digest]*vertexState{}}
}

// loaded reports all vertices of a graph before the first one starts, so that a display can
// show their total number.
func (p *progress) loaded(g *solver.Graph) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s client.SolveStatus
	for _, v := range g.Vertices {
		if _, ok := p.vertices[v.Digest]; !ok {
			s.Vertexes = append(s.Vertexes, p.vertex(v).report())
		}
	}
	if len(s.Vertexes) > 0 {
		p.send(&s)
	}
}

// vertex returns the progress state of the vertex v, and creates it on the first call for
// v. The caller must hold p.mu.
func (p *progress) vertex(v *solver.Vertex) *vertexState {
	if s, ok := p.vertices[v.Digest]; ok {
		return s
	}
	s := &vertexState{Vertex: client.Vertex{Digest: v.Digest, Name: v.Name(), ProgressGroup: v.Meta.ProgressGroup}}
	for _, in := range v.Inputs {
		s.Inputs = append(s.Inputs, in.Vertex.Digest)
	}
	p.vertices[v.Digest] = s
	return s
}

// report returns a copy of the vertex v for a status message. A copy is needed because the
// recipient of the message may retain it, while v changes later.
func (v *vertexState) report() *client.Vertex {
	c := v.Vertex
	return &c
}

func (p *progress) event(e solver.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.vertex(e.Vertex)
	switch e.Kind {
	case solver.Started:
		p.start(v, e.Time)
	case solver.Output:
		p.send(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: v.Digest, Stream: e.Stream, Data: e.Data, Timestamp: e.Time}}})
	case solver.Cached, solver.Done:
		p.end(v, e.Time, e.Kind == solver.Cached, e.Err)
	case solver.Missed:
		p.explain.Missed(e.Vertex.Digest)
	case solver.Progress:
		p.status(v, e.Status, e.Time)
	}
}

// start reports that a vertex starts, unless it is running already. The caller must hold
// p.mu.
func (p *progress) start(v *vertexState, now time.Time) {
	if v.running++; v.running > 1 {
		return
	}
	v.Started, v.Completed, v.Cached, v.Error = &now, nil, false, ""
	p.send(&client.SolveStatus{Vertexes: []*client.Vertex{v.report()}})
}

// end reports that an evaluation of the vertex v has ended. If several evaluations of v are
// running, only the end of the last one completes v. If no evaluation has started, end
// completes v, too. If v is already completed, end changes nothing, so that an executed vertex
// is not shown as cached when a later evaluation finds it in the cache. The caller must hold
// p.mu.
func (p *progress) end(v *vertexState, now time.Time, cached bool, err error) {
	if v.running == 0 {
		if v.Completed != nil {
			return
		}
		v.Started = &now
	}
	if v.running = max(0, v.running-1); v.running > 0 {
		return
	}
	v.Completed, v.Cached = &now, cached
	if err != nil {
		v.Error = err.Error()
	}
	p.send(&client.SolveStatus{Vertexes: []*client.Vertex{v.report()}})
}

// status reports the progress of a task of a vertex, such as the download of a layer. It
// drops a report within statusInterval of the previous one, unless the task has ended. The
// caller must hold p.mu.
func (p *progress) status(v *vertexState, s track.Status, now time.Time) {
	old := v.statuses[s.ID]
	if old != nil && !s.Done && now.Sub(old.Timestamp) < statusInterval {
		return
	}
	st := &client.VertexStatus{ID: s.ID, Name: action(s.ID), Vertex: v.Digest, Current: s.Current, Total: s.Total, Timestamp: now, Started: &now}
	if old != nil {
		st.Started = old.Started
	}
	if v.statuses == nil {
		v.statuses = map[string]*client.VertexStatus{}
	}
	v.statuses[s.ID] = st
	if s.Done {
		st.Completed = &now
		delete(v.statuses, s.ID)
	}
	p.send(&client.SolveStatus{Statuses: []*client.VertexStatus{st}})
}

// action returns the name of what a task does. BuildKit's clients can tell the transfer of files
// by this name; for other tasks, action returns "".
func action(task string) string {
	const transferring = "transferring"
	if strings.HasPrefix(task, transferring+" ") {
		return transferring
	}
	return ""
}

func (p *progress) warn(w gateway.Warning) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send(&client.SolveStatus{Warnings: []*client.VertexWarning{{
		Vertex: w.Vertex, Level: w.Level, Short: []byte(w.Message), Detail: w.Detail, URL: w.URL, SourceInfo: w.SourceInfo, Range: w.Range,
	}}})
}

// step runs a function and reports it as a vertex with the given name, although the function is
// not an LLB operation. Calls of step with the same id report the same vertex. If the function
// tracks transfers with the context that it receives, step reports them as progress of this
// vertex.
func (p *progress) step(ctx context.Context, id, name string, work func(context.Context) error) error {
	v := p.stepVertex(digest.FromString(id), name)
	locked := func(report func(now time.Time)) {
		p.mu.Lock()
		defer p.mu.Unlock()
		report(p.now())
	}
	locked(func(now time.Time) { p.start(v, now) })
	err := work(track.WithReporter(ctx, func(s track.Status) {
		locked(func(now time.Time) { p.status(v, s, now) })
	}))
	locked(func(now time.Time) { p.end(v, now, false, err) })
	return err
}

// replaces reports in the progress that the built-in frontend performs the build instead of the
// frontend image ref.
func (p *progress) replaces(ref string) {
	v := p.stepVertex(digest.FromString("built-in frontend"), "[internal] built-in frontend for "+ref)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.start(v, now)
	p.end(v, now, false, nil)
}

// stepVertex returns the progress state of the vertex with the digest d, and creates it on the
// first call. Only [progress.step] uses vertices of this kind, for work that is not an LLB
// operation.
func (p *progress) stepVertex(d digest.Digest, name string) *vertexState {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.vertices[d]
	if !ok {
		v = &vertexState{Vertex: client.Vertex{Digest: d, Name: name}}
		p.vertices[d] = v
	}
	return v
}
