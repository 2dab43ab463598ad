package build

import (
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/gateway"
)

// progress tells what happens as BuildKit tells its clients.
type progress struct {
	tell    func(*client.SolveStatus)
	explain *explainer
	now     func() time.Time

	mu      sync.Mutex
	started map[digest.Digest]*time.Time
}

func newProgress(o *Options, x *explainer) *progress {
	tell := o.Status
	if tell == nil {
		tell = func(*client.SolveStatus) {}
	}
	return &progress{tell: tell, explain: x, now: o.Now, started: map[digest.Digest]*time.Time{}}
}

func (p *progress) event(e solver.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := &client.Vertex{Digest: e.Vertex.Digest, Name: e.Vertex.Name(), ProgressGroup: e.Vertex.Meta.ProgressGroup, Started: p.started[e.Vertex.Digest]}
	for _, in := range e.Vertex.Inputs {
		v.Inputs = append(v.Inputs, in.Vertex.Digest)
	}
	now := e.Time
	switch e.Kind {
	case solver.Started:
		v.Started = &now
		p.started[v.Digest] = &now
	case solver.Output:
		p.tell(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: v.Digest, Stream: e.Stream, Data: e.Data, Timestamp: now}}})
		return
	case solver.Cached, solver.Done:
		v.Completed, v.Cached = &now, e.Kind == solver.Cached
		if v.Started == nil {
			v.Started = &now
		}
		if e.Err != nil {
			v.Error = e.Err.Error()
		}
	case solver.Missed:
		p.explain.miss(e.Vertex.Digest)
		return
	}
	p.tell(&client.SolveStatus{Vertexes: []*client.Vertex{v}})
}

func (p *progress) warn(w gateway.Warning) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(&client.SolveStatus{Warnings: []*client.VertexWarning{{
		Vertex: w.Vertex, Level: w.Level, Short: []byte(w.Message), Detail: w.Detail, URL: w.URL, SourceInfo: w.SourceInfo, Range: w.Range,
	}}})
}

// step tells of something that is no operation.
func (p *progress) step(name string, work func() error) error {
	start := p.now()
	v := client.Vertex{Digest: digest.FromString(name), Name: name, Started: &start}
	p.send(v)
	err := work()
	end := p.now()
	if v.Completed = &end; err != nil {
		v.Error = err.Error()
	}
	p.send(v)
	return err
}

func (p *progress) send(v client.Vertex) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell(&client.SolveStatus{Vertexes: []*client.Vertex{&v}})
}
