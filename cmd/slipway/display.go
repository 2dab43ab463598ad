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

// readable makes reports on a build fit for display. Names and errors never have
// control characters. On a terminal, the output of steps has only those that
// [controls.Filter] passes. In a file or a pipe it is as the step printed it.
type readable struct {
	terminal bool
	streams  map[stream]*controls.Filter
}

// stream is what a step prints to standard output or to standard error.
type stream struct {
	vertex digest.Digest
	number int
}

// status returns a copy of a report in which control characters are replaced.
func (r *readable) status(s *client.SolveStatus) *client.SolveStatus {
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

// output returns the output of a step in the form for display.
func (r *readable) output(of stream, data []byte) []byte {
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

// textTo returns a writer of text to f. If f is a terminal, the text cannot control
// it.
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
