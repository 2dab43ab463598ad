package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"slipway/answers"
	"slipway/builder"
	"slipway/solver/export"
)

// graphRecorder records a build for --graph: its description, and the last state of each operation.
// The zero value records nothing.
type graphRecorder struct {
	plan     *answers.Plan
	order    []digest.Digest
	vertices map[digest.Digest]*client.Vertex
}

// record makes the recorder receive the description of a build with the given options.
func (g *graphRecorder) record(o *builder.Options) {
	g.vertices = map[digest.Digest]*client.Vertex{}
	o.Planned = func(p *answers.Plan) { g.plan = p }
}

// status records the progress of the build.
func (g *graphRecorder) status(s *client.SolveStatus) {
	if g.vertices == nil {
		return
	}
	for _, v := range s.Vertexes {
		if g.vertices[v.Digest] == nil {
			g.order = append(g.order, v.Digest)
		}
		g.vertices[v.Digest] = v
	}
}

// write writes the graph of the build, which ended with the given error, to a file. If the build
// failed before it was planned, there is no graph.
func (g *graphRecorder) write(ctx context.Context, file string, failed error) error {
	if g.plan == nil {
		if failed != nil {
			return nil
		}
		return errors.New("another frontend did the build, and only the built-in one describes builds")
	}
	at := func(t *time.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return *t
	}
	var list []answers.Vertex
	for _, d := range g.order {
		v := g.vertices[d]
		list = append(list, answers.Vertex{
			Digest: string(d), Name: v.Name, Started: at(v.Started), Completed: at(v.Completed), Cached: v.Cached, Error: v.Error,
		})
	}
	g.plan.Record(list)
	var page bytes.Buffer
	if err := g.plan.WriteGraph(&page, answers.HTML); err != nil {
		return err
	}
	return export.Write(ctx, file, page.Bytes())
}

// parseGraphFile returns an error if the name of the file for --graph is the name of a graph in
// another format.
func (f *buildFlags) parseGraphFile() error {
	ext := strings.TrimPrefix(filepath.Ext(f.graphFile), ".")
	if slices.Contains(graphFormats(), ext) && ext != string(answers.HTML) {
		return fmt.Errorf("--graph: %q is an HTML page, so name it FILE.html (slipway graph --format %s prints another format)", f.graphFile, ext)
	}
	return nil
}
