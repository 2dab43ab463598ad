package solver

import (
	"fmt"
	"sync"
	"time"

	"github.com/docker/go-units"
)

const (
	defaultOutputSize  = 2 << 20   // bytes, as in BuildKit
	defaultOutputSpeed = 200 << 10 // bytes per second, as in BuildKit
	// outputTail is the number of bytes at the end of a clipped stream that are sent if
	// the step fails. BuildKit uses the same value.
	outputTail = 256 << 10
)

// output sends the bytes that a process writes to one stream as events, up to the limit
// of the job. Safe for concurrent use.
type output struct {
	events  *events
	v       *Vertex
	stream  int
	limit   OutputLimit
	started time.Time

	mu       sync.Mutex
	written  int64 // bytes, including clipped ones
	clipping bool
	tail     []byte // the end of the stream; nil until bytes are clipped
}

// newOutput returns a writer for one stream of a process that starts now.
func (e *env) newOutput(v *Vertex, stream int) *output {
	limit := OutputLimit{Size: defaultOutputSize, Speed: defaultOutputSpeed}
	if e.opt.Output != nil {
		limit = *e.opt.Output
	}
	return &output{events: e.events, v: v, stream: stream, limit: limit, started: e.opt.Now()}
}

// Write implements [io.Writer]. It always succeeds, so that reaching a limit does not end
// the step.
func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	most, limit := o.allowance()
	n := int(min(int64(len(data)), max(0, most-o.written)))
	o.written += int64(len(data))
	if o.tail != nil || n < len(data) {
		o.keep(data)
	}
	sent := append([]byte(nil), data[:n]...)
	if n < len(data) && !o.clipping {
		sent = fmt.Appendf(sent, "\n[output clipped, log limit %s reached]\n", limit)
	}
	o.clipping = n < len(data)
	o.send(sent)
	return len(data), nil
}

// allowance returns how many bytes may have been written by now, and the limit that
// applies.
func (o *output) allowance() (most int64, limit string) {
	const unlimited = 1<<63 - 1
	most = unlimited
	if o.limit.Speed >= 0 {
		begun := max(1, int64((o.events.now().Sub(o.started)+time.Second-1)/time.Second)) // seconds, rounded up
		most, limit = begun*o.limit.Speed, units.BytesSize(float64(o.limit.Speed))+"/s"
	}
	if o.limit.Size >= 0 && o.limit.Size < most {
		most, limit = o.limit.Size, units.BytesSize(float64(o.limit.Size))
	}
	return most, limit
}

// keep appends data to the tail. The buffer has twice the size of the tail, so that most
// writes copy only data.
func (o *output) keep(data []byte) {
	if o.tail == nil {
		o.tail = make([]byte, 0, 2*outputTail)
	}
	data = data[max(0, len(data)-outputTail):]
	if len(o.tail)+len(data) > cap(o.tail) {
		o.tail = o.tail[:copy(o.tail, o.tail[len(o.tail)-(outputTail-len(data)):])]
	}
	o.tail = append(o.tail, data...)
}

// flush sends the tail of a clipped stream. The report of a failed step shows the last
// lines that it receives.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.send(o.tail[max(0, len(o.tail)-outputTail):])
	o.tail = nil
}

func (o *output) send(data []byte) {
	if len(data) > 0 {
		o.events.emit(Event{Vertex: o.v, Kind: Output, Data: data, Stream: o.stream})
	}
}
