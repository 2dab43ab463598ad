package solver

import (
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
}

// EventKind is the kind of an [Event].
type EventKind uint8

// The kinds of events. Every vertex that is started ends exactly once, as Cached
// or as Done. A vertex that did not have to be looked at is Cached without a start.
const (
	Started EventKind = iota + 1
	Output            // a process wrote something
	Missed            // no cache has the outputs, so the operation runs
	Cached            // a cache had the outputs
	Done
)

// emit reports an event.
func (b *Build) emit(e Event) {
	b.events.Lock()
	defer b.events.Unlock()
	b.send(e)
}

// send reports an event. The caller holds the lock of events.
func (b *Build) send(e Event) {
	if b.opt.Events == nil {
		return
	}
	e.Time = b.opt.Now()
	b.opt.Events(e)
}

// progress is how far the events of a task are. The lock of the build's events
// protects it.
type progress struct{ started, ended bool }

// start reports that t starts, unless it did.
func (t *task) start() {
	t.b.events.Lock()
	defer t.b.events.Unlock()
	if t.progress.started {
		return
	}
	t.progress.started = true
	t.b.send(Event{Vertex: t.v, Kind: Started})
}

// end reports that t ended, if it was started and did not end before.
func (t *task) end(kind EventKind, err error) {
	t.b.events.Lock()
	defer t.b.events.Unlock()
	if !t.progress.started || t.progress.ended {
		return
	}
	t.progress.ended = true
	t.b.send(Event{Vertex: t.v, Kind: kind, Err: err})
}

// skip reports that t was not looked at, as vertices that depend on it were cached.
func (t *task) skip() {
	t.b.events.Lock()
	defer t.b.events.Unlock()
	if t.progress.started {
		return
	}
	t.progress = progress{started: true, ended: true}
	t.b.send(Event{Vertex: t.v, Kind: Cached})
}

// output sends what a process writes as events.
type output struct {
	b      *Build
	v      *Vertex
	stream int
}

// Write implements [io.Writer].
func (o *output) Write(data []byte) (int, error) {
	o.b.emit(Event{Vertex: o.v, Kind: Output, Data: append([]byte(nil), data...), Stream: o.stream})
	return len(data), nil
}
