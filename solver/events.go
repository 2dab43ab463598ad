package solver

import (
	"context"
	"sync"
	"time"

	"slipway/solver/track"
)

// Event reports that a vertex has changed its state, made progress or written output.
type Event struct {
	Vertex *Vertex
	Kind   EventKind
	Time   time.Time
	Data   []byte       // for Output: the bytes
	Stream int          // for Output: 1 is standard output, 2 standard error
	Err    error        // for Done: nil on success
	Status track.Status // for Progress
}

// EventKind specifies what an [Event] reports about its vertex.
type EventKind uint8

// These are the kinds of events. After Started, a vertex has an event Cached or Done before
// it can start again. A source starts twice: it is resolved first and fetched later. A
// vertex that is not evaluated because its dependents are cache hits has only the event
// Cached. It may still start later if another vertex needs its outputs.
const (
	Started EventKind = iota + 1
	Output            // a process wrote to standard output or standard error
	Missed            // a cache miss: the operation runs
	Cached            // a cache hit
	Done
	Progress // a task of the vertex, such as a download, made progress
)

// events sends the events of a job to [Options.Events], one at a time.
type events struct {
	mu   sync.Mutex
	send func(Event) // may be nil
	now  func() time.Time
}

// emit sets the time of the event e and sends it to [Options.Events].
func (s *events) emit(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emitLocked(e)
}

// emitLocked sets the time of the event e and sends it to [Options.Events]. The caller must
// hold s.mu.
func (s *events) emitLocked(e Event) {
	if s.send == nil {
		return
	}
	e.Time = s.now()
	s.send(e)
}

// progress sends the events of one vertex. Safe for concurrent use.
type progress struct {
	events *events
	vertex *Vertex
	inputs []*progress
	// reported is true after the first event of the vertex, running between Started and
	// Cached or Done. Both are guarded by events.mu.
	reported, running bool
}

// start sends the event Started, unless the vertex is running already.
func (p *progress) start() {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	if p.running {
		return
	}
	p.reported, p.running = true, true
	p.events.emitLocked(Event{Vertex: p.vertex, Kind: Started})
}

// end sends an event of kind Cached or Done if the vertex is running.
func (p *progress) end(kind EventKind, err error) {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	if !p.running {
		return
	}
	p.running = false
	p.events.emitLocked(Event{Vertex: p.vertex, Kind: kind, Err: err})
}

// skip sends the event Cached for a vertex that was not evaluated because its dependents are
// cache hits. Before that, it sends the event for the transitive inputs of the vertex. It
// skips vertices that already have an event, together with their inputs.
func (p *progress) skip() {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	p.skipLocked()
}

// skipLocked implements skip. The caller must hold p.events.mu.
func (p *progress) skipLocked() {
	if p.reported {
		return
	}
	p.reported = true
	for _, in := range p.inputs {
		in.skipLocked()
	}
	p.events.emitLocked(Event{Vertex: p.vertex, Kind: Cached})
}

// hit reports that a cache has the outputs of the vertex. It sends the event Cached for the
// inputs that have no event yet, and then for the vertex. For a local directory, it sends
// no event, because every build reads the directory.
func (p *progress) hit() {
	for _, in := range p.inputs {
		in.skip()
	}
	if !isLocal(p.vertex) {
		p.start()
		p.end(Cached, nil)
	}
}

// withReporter returns a context in which [track.Start] sends Progress events of the vertex, and
// [track.Log] sends Output events.
func (p *progress) withReporter(ctx context.Context) context.Context {
	ctx = track.WithLog(ctx, func(m string) {
		p.events.emit(Event{Vertex: p.vertex, Kind: Output, Stream: 2, Data: []byte(m + "\n")})
	})
	return track.WithReporter(ctx, func(s track.Status) { p.events.emit(Event{Vertex: p.vertex, Kind: Progress, Status: s}) })
}
