package solver

import (
	"context"
	"sync"
	"time"
)

// Event is a change in the state of a vertex.
type Event struct {
	Vertex *Vertex
	Kind   EventKind
	Time   time.Time
	Data   []byte // of Output
	Stream int    // of Output: 1 is standard output, 2 standard error
	Err    error  // of Done; nil on success
	Status Status // of Progress
}

// EventKind is the kind of an [Event].
type EventKind uint8

// The kinds of events. Every Started vertex ends with Cached or Done before it starts
// again. A source starts twice if it is resolved and then fetched. A vertex that was not
// evaluated, because its dependents were cached, is Cached without being Started. It
// starts later if another vertex needs it after all.
const (
	Started EventKind = iota + 1
	Output            // a process wrote to standard output or standard error
	Missed            // a cache miss: the operation runs
	Cached            // a cache hit
	Done
	Progress // a part of the vertex made progress
)

// events sends the events of a job, one at a time.
type events struct {
	mu   sync.Mutex
	send func(Event) // may be nil
	now  func() time.Time
}

// emit sends an event.
func (s *events) emit(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emitLocked(e)
}

func (s *events) emitLocked(e Event) {
	if s.send == nil {
		return
	}
	e.Time = s.now()
	s.send(e)
}

// progress reports the state of a vertex. Safe for concurrent use.
type progress struct {
	events *events
	of     *Vertex
	inputs []*progress
	// Guarded by the lock of events.
	seen, running bool
}

// start reports that the vertex starts, unless it is running.
func (p *progress) start() {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	if p.running {
		return
	}
	p.seen, p.running = true, true
	p.events.emitLocked(Event{Vertex: p.of, Kind: Started})
}

// end reports that the vertex ended, if it is running.
func (p *progress) end(kind EventKind, err error) {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	if !p.running {
		return
	}
	p.running = false
	p.events.emitLocked(Event{Vertex: p.of, Kind: kind, Err: err})
}

// skip reports that the vertex was not evaluated, because its dependents were cached. It
// first reports the same for the inputs of the vertex.
func (p *progress) skip() {
	p.events.mu.Lock()
	defer p.events.mu.Unlock()
	p.skipLocked()
}

func (p *progress) skipLocked() {
	if p.seen {
		return
	}
	p.seen = true
	for _, in := range p.inputs {
		in.skipLocked()
	}
	p.events.emitLocked(Event{Vertex: p.of, Kind: Cached})
}

// hit reports a cache hit for the vertex. It first reports inputs that were not evaluated
// as cached. Local directories are never reported as cached, because every build reads
// them.
func (p *progress) hit() {
	for _, in := range p.inputs {
		in.skip()
	}
	if !isLocal(p.of) {
		p.start()
		p.end(Cached, nil)
	}
}

// reporting returns a context whose trackers report the progress of the vertex.
func (p *progress) reporting(ctx context.Context) context.Context {
	return WithReporter(ctx, func(s Status) { p.events.emit(Event{Vertex: p.of, Kind: Progress, Status: s}) })
}
