package main

import (
	"io"
	"os"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/diag"
	"slipway/internal/controls"
)

// sanitizer replaces control characters in status messages of a build, so that they cannot
// manipulate a terminal. In names and errors, it replaces all control characters. If the output
// of this program is a terminal, it also filters the output of steps with [controls.Filter],
// which preserves colors.
type sanitizer struct {
	terminal bool
	streams  map[stream]*controls.Filter
}

// stream identifies the standard output or standard error of a step.
type stream struct {
	vertex digest.Digest
	number int
}

// status returns a copy of a status message in which control characters are replaced.
func (r *sanitizer) status(s *client.SolveStatus) *client.SolveStatus {
	c := &client.SolveStatus{}
	for _, v := range s.Vertexes {
		d := *v
		d.Name, d.Error = diag.Line(v.Name), diag.Block(v.Error)
		if g := v.ProgressGroup; g != nil {
			d.ProgressGroup = &pb.ProgressGroup{Id: g.Id, Name: diag.Line(g.Name), Weak: g.Weak}
		}
		c.Vertexes = append(c.Vertexes, &d)
	}
	for _, v := range s.Statuses {
		d := *v
		d.ID, d.Name = diag.Line(v.ID), diag.Line(v.Name)
		c.Statuses = append(c.Statuses, &d)
	}
	for _, v := range s.Warnings {
		d := *v
		d.Short = []byte(diag.Line(string(v.Short)))
		c.Warnings = append(c.Warnings, &d)
	}
	for _, v := range s.Logs {
		d := *v
		d.Data = r.output(stream{v.Vertex, v.Stream}, v.Data)
		if len(d.Data) > 0 {
			c.Logs = append(c.Logs, &d)
		}
	}
	return c
}

// output filters data from an output stream of a step. If the output of this program is a
// terminal, it removes the control characters that could manipulate the terminal. Otherwise, it
// returns the data unchanged.
func (r *sanitizer) output(of stream, data []byte) []byte {
	if !r.terminal {
		return data
	}
	f, ok := r.streams[of]
	if !ok {
		f = &controls.Filter{}
		r.streams[of] = f
	}
	return f.Filter(data)
}

// textTo returns a writer that passes text from builds on to f. If f is a terminal, the writer
// replaces control characters in the text.
func textTo(f *os.File) io.Writer {
	if !isTerminal(f) {
		return f
	}
	var filter controls.Filter
	return writerFunc(func(data []byte) (int, error) {
		if _, err := f.Write(filter.Filter(data)); err != nil {
			return 0, err
		}
		return len(data), nil
	})
}
