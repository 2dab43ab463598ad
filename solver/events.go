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

// The kinds of events. Every vertex that is started ends, as Cached or as Done,
// before it may start again: a source is resolved first, and fetched if it is
// needed. A vertex that was not looked at because later ones were cached is Cached
// without a start. If another vertex needs it after all, it starts.
const (
	Started EventKind = iota + 1
	Output            // a process wrote something
	Missed            // no cache has the outputs, so the operation runs
	Cached            // a cache had the outputs
	Done
	Progress // a part of the vertex went on
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

// progress reports what happens to a vertex. It is safe for concurrent use.
type progress struct {
	events *events
	of     *Vertex
	inputs []*progress
	// The lock of events protects these.
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

// skip reports that the vertex was not looked at, as vertices that depend on it were
// cached. Before that it reports the same of those that it depends on.
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

// hit reports that the vertex was found in a cache. Before that it reports what the
// vertex depends on and was not looked at. Directories of the client are read in every
// build.
func (p *progress) hit() {
	for _, in := range p.inputs {
		in.skip()
	}
	if !isLocal(p.of) {
		p.start()
		p.end(Cached, nil)
	}
}

// reporting returns a context whose trackers report parts of the vertex.
func (p *progress) reporting(ctx context.Context) context.Context {
	return WithReporter(ctx, func(s Status) { p.events.emit(Event{Vertex: p.of, Kind: Progress, Status: s}) })
}
