package solver

import (
	"time"
)

// Event is something that happened to a vertex.
type Event struct {
	Vertex *Vertex
	Kind   EventKind
	Time   time.Time
	Data   []byte // of Output
	Stream int    // of Output: 1 is standard output, 2 standard error
	Err    error  // of Done; nil if it went well
}

// EventKind is what happened.
type EventKind uint8

// The kinds of events. A vertex is started, then cached or done.
const (
	Started EventKind = iota + 1
	Output            // a process printed something
	Missed            // nothing is cached, so the operation runs
	Cached            // the result was there
	Done
)

// output sends what a process prints as events.
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
