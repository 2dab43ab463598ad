package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// maxStatus is the maximum size of a status message in a log, in bytes. It detects damaged logs.
const maxStatus = 64 << 20

// statusLog is the progress of a build in a file: status messages, each after its length as four
// bytes. Clients can read it from the start while the build appends messages. Safe for concurrent
// use.
type statusLog struct {
	file *os.File

	mu      sync.Mutex
	size    int64
	err     error         // of the first message that could not be written
	ended   bool          // no message is added any more
	readers int           // calls of follow
	dropped bool          // the file is closed when it has no readers
	changed chan struct{} // closed when a message is added or the log ends

	steps summary
}

// summary counts steps and warnings of a build.
type summary struct {
	vertices map[digest.Digest]*client.Vertex
	warnings int
}

// counts returns the number of all, completed and cached steps.
func (s *summary) counts() (total, completed, cached int32) {
	for _, v := range s.vertices {
		total++
		if v.Completed != nil {
			completed++
		}
		if v.Cached {
			cached++
		}
	}
	return total, completed, cached
}

// createStatusLog creates a log in a new file. The caller must call end and drop.
func createStatusLog(file string) (*statusLog, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &statusLog{file: f, changed: make(chan struct{}), steps: summary{vertices: map[digest.Digest]*client.Vertex{}}}, nil
}

// add appends a message to the log. If it fails, the method end returns the error.
func (l *statusLog) add(s *client.SolveStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range s.Vertexes {
		l.steps.vertices[v.Digest] = v
	}
	l.steps.warnings += len(s.Warnings)
	for _, m := range s.Marshal() {
		if l.err == nil {
			l.err = l.append(m)
		}
	}
	l.notify()
}

// append appends a message to the file. The caller must hold l.mu.
func (l *statusLog) append(m *controlapi.StatusResponse) error {
	data, err := m.MarshalVT()
	if err != nil {
		return err
	}
	record := append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...)
	if _, err := l.file.WriteAt(record, l.size); err != nil {
		return err
	}
	l.size += int64(len(record))
	return nil
}

// notify wakes the readers of the log. The caller must hold l.mu.
func (l *statusLog) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// end marks the end of the log. It returns the error of the first message that could not be
// written.
func (l *statusLog) end() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.notify()
	return l.err
}

// state returns the size of the log, whether it has ended, and a channel that is closed when the
// size changes or the log ends.
func (l *statusLog) state() (size int64, ended bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size, l.ended, l.changed
}

// hold registers a reader, and reports whether the log is still open.
func (l *statusLog) hold() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers++
	return !l.dropped || l.readers > 1
}

// release unregisters a reader that hold has registered.
func (l *statusLog) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers--
	l.closeUnused()
}

// drop closes the log as soon as it has no readers. The log must have ended.
func (l *statusLog) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped = true
	l.closeUnused()
}

// closeUnused closes the file if the log is dropped and has no readers. The caller must hold
// l.mu.
func (l *statusLog) closeUnused() {
	if l.dropped && l.readers == 0 {
		_ = l.file.Close() // nothing is written any more
	}
}

// follow calls send with all messages, from the first one, until the log ends.
func (l *statusLog) follow(ctx context.Context, send func(*controlapi.StatusResponse) error) error {
	defer l.release()
	if !l.hold() {
		return errors.New("progress of the build: no longer available")
	}
	for read := int64(0); ; {
		size, ended, changed := l.state()
		if size > read {
			if err := eachStatus(io.NewSectionReader(l.file, read, size-read), send); err != nil {
				return err
			}
			read = size
			continue
		}
		if ended {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// eachStatus calls send with each message that r contains.
func eachStatus(r io.Reader, send func(*controlapi.StatusResponse) error) error {
	in := bufio.NewReader(r)
	var length [4]byte
	for {
		if _, err := io.ReadFull(in, length[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("progress of the build: %w", err)
		}
		n := binary.BigEndian.Uint32(length[:])
		if n > maxStatus {
			return fmt.Errorf("progress of the build: damaged: a message has %d bytes", n)
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(in, data); err != nil {
			return fmt.Errorf("progress of the build: %w", err)
		}
		m := &controlapi.StatusResponse{}
		if err := m.UnmarshalVT(data); err != nil {
			return fmt.Errorf("progress of the build: %w", err)
		}
		if err := send(m); err != nil {
			return err
		}
	}
}

// Status implements [controlapi.ControlServer]. It sends the whole progress of the build, even if
// the build has ended.
func (s *Server) Status(req *controlapi.StatusRequest, stream controlapi.Control_StatusServer) error {
	ctx := stream.Context()
	if b, ok := s.builds.find(req.Ref); ok {
		return b.status.follow(ctx, stream.Send)
	}
	if found, err := s.history.status(req.Ref, stream.Send); found {
		return err
	}
	b, err := s.builds.get(ctx, req.Ref)
	if err != nil {
		return err
	}
	return b.status.follow(ctx, stream.Send)
}
