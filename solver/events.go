package solver

import (
	"context"
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

// emit reports an event.
func (j *Job) emit(e Event) {
	j.events.Lock()
	defer j.events.Unlock()
	j.send(e)
}

// send reports an event. The caller holds the lock of events.
func (j *Job) send(e Event) {
	if j.opt.Events == nil {
		return
	}
	e.Time = j.opt.Now()
	j.opt.Events(e)
}

// progress is how far the events of a task are. The lock of the build's events
// protects it.
type progress struct{ seen, running bool }

// start reports that t starts, unless it is running.
func (t *task) start() {
	t.job.events.Lock()
	defer t.job.events.Unlock()
	if t.progress.running {
		return
	}
	t.progress = progress{seen: true, running: true}
	t.job.send(Event{Vertex: t.v, Kind: Started})
}

// end reports that t ended, if it is running.
func (t *task) end(kind EventKind, err error) {
	t.job.events.Lock()
	defer t.job.events.Unlock()
	if !t.progress.running {
		return
	}
	t.progress.running = false
	t.job.send(Event{Vertex: t.v, Kind: kind, Err: err})
}

// skip reports that t was not looked at, as vertices that depend on it were cached,
// after those that it depends on.
func (t *task) skip() {
	t.job.events.Lock()
	defer t.job.events.Unlock()
	t.skipLocked()
}

func (t *task) skipLocked() {
	if t.progress.seen {
		return
	}
	t.progress.seen = true
	for _, in := range t.in {
		in.task.skipLocked()
	}
	t.job.send(Event{Vertex: t.v, Kind: Cached})
}

// hit reports that t was found in a cache, after what it depends on and was not
// looked at. Directories of the client are read in every build.
func (t *task) hit() {
	for _, in := range t.in {
		in.task.skip()
	}
	if !isLocal(t.v) {
		t.start()
		t.end(Cached, nil)
	}
}

// reporting returns a context whose trackers report parts of t.
func (t *task) reporting(ctx context.Context) context.Context {
	return WithReporter(ctx, func(s Status) { t.job.emit(Event{Vertex: t.v, Kind: Progress, Status: s}) })
}
