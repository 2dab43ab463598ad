package namespace

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/moby/sys/userns"
)

// lowPortsFile contains the first port that processes without privileges may use.
const lowPortsFile = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

// lacksPorts reports whether steps that use the network of the machine cannot use ports below 1024.
func lacksPorts() bool {
	first, err := os.ReadFile(lowPortsFile)
	return userns.RunningInUserNS() && err == nil && strings.TrimSpace(string(first)) != "0"
}

// portWatch notices in the output of a step if a program was not allowed to use a port.
type portWatch struct {
	mu      sync.Mutex
	streams []*watchedStream
	refused bool
}

// watchedStream copies a stream of the output.
type watchedStream struct {
	watch *portWatch
	to    io.Writer
	line  []byte // incomplete last line
}

// stream returns a writer that copies a stream to w. All streams of a portWatch may have the same w.
func (p *portWatch) stream(w io.Writer) io.Writer {
	s := &watchedStream{watch: p, to: w}
	p.streams = append(p.streams, s)
	return s
}

// maxLine is the number of bytes of a line in which a portWatch searches.
const maxLine = 4096

// Write implements [io.Writer].
func (s *watchedStream) Write(data []byte) (int, error) {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	for line := range bytes.Lines(data) {
		s.line = append(s.line, line[:min(len(line), maxLine-len(s.line))]...)
		if line[len(line)-1] == '\n' {
			s.search()
		}
	}
	return s.to.Write(data)
}

// search searches the last line.
func (s *watchedStream) search() {
	s.watch.refused = s.watch.refused || refusesPort(string(s.line))
	s.line = s.line[:0]
}

// end reports whether a program was not allowed to use a port. The output must have ended.
func (p *portWatch) end() bool {
	for _, s := range p.streams {
		s.search()
	}
	return p.refused
}

// refusesPort reports whether a line of output says that a program was not allowed to use a port,
// such as "bind() to 0.0.0.0:80 failed (13: Permission denied)" of nginx.
func refusesPort(line string) bool {
	lower := strings.ToLower(line)
	if !strings.Contains(lower, "permission denied") {
		return false
	}
	return regexp.MustCompile(`\b(bind|binding|listen)\b`).MatchString(lower)
}
