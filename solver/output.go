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

// output is a writer for one output stream of a process. It sends the bytes as events, up
// to the limit of the job. Safe for concurrent use.
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

// newOutput returns a writer for an output stream of the process of the vertex v. The
// parameter stream is 1 for standard output and 2 for standard error. The rate limit counts
// the time since this call.
func (e *env) newOutput(v *Vertex, stream int) *output {
	limit := OutputLimit{Size: defaultOutputSize, Speed: defaultOutputSpeed}
	if e.opt.Output != nil {
		limit = *e.opt.Output
	}
	return &output{events: e.events, v: v, stream: stream, limit: limit, started: e.opt.Now()}
}

// Write implements [io.Writer]. It never returns an error, because a step must not fail
// when its output reaches a limit.
func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	total, limit := o.allowance()
	n := int(min(int64(len(data)), max(0, total-o.written)))
	o.written += int64(len(data))
	if o.tail != nil || n < len(data) {
		o.appendTail(data)
	}
	sent := append([]byte(nil), data[:n]...)
	if n < len(data) && !o.clipping {
		sent = fmt.Appendf(sent, "\n[output clipped, log limit %s reached]\n", limit)
	}
	o.clipping = n < len(data)
	o.send(sent)
	return len(data), nil
}

// allowance returns the number of bytes of the stream that the limits permit to send up to
// the current time. It also returns the text of the limit that determines this number, such
// as "200KiB/s".
func (o *output) allowance() (total int64, limit string) {
	const unlimited = 1<<63 - 1
	total = unlimited
	if o.limit.Speed >= 0 {
		seconds := max(1, int64((o.events.now().Sub(o.started)+time.Second-1)/time.Second)) // rounded up
		total, limit = seconds*o.limit.Speed, units.BytesSize(float64(o.limit.Speed))+"/s"
	}
	if o.limit.Size >= 0 && o.limit.Size < total {
		total, limit = o.limit.Size, units.BytesSize(float64(o.limit.Size))
	}
	return total, limit
}

// appendTail appends data to the buffer o.tail, which holds the last bytes of the stream.
// The capacity of the buffer is twice outputTail, so that most calls need not move earlier
// bytes.
func (o *output) appendTail(data []byte) {
	if o.tail == nil {
		o.tail = make([]byte, 0, 2*outputTail)
	}
	data = data[max(0, len(data)-outputTail):]
	if len(o.tail)+len(data) > cap(o.tail) {
		o.tail = o.tail[:copy(o.tail, o.tail[len(o.tail)-(outputTail-len(data)):])]
	}
	o.tail = append(o.tail, data...)
}

// flush sends the tail of the stream if output was clipped. Call it if the step failed:
// its last lines usually contain the reason.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.send(o.tail[max(0, len(o.tail)-outputTail):])
	o.tail = nil
}

// send sends data as an event, unless it is empty.
func (o *output) send(data []byte) {
	if len(data) > 0 {
		o.events.emit(Event{Vertex: o.v, Kind: Output, Data: data, Stream: o.stream})
	}
}
