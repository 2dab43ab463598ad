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

// recorder records a build for --graph and --report: its description, the last state of each operation,
// and the transfers of local files. The zero value records nothing.
type recorder struct {
	plan      *answers.Plan
	order     []digest.Digest
	vertices  map[digest.Digest]*client.Vertex
	transfers []*transfer
}

// transfer is the last state of the transfer of files from a local source.
type transfer struct {
	vertex digest.Digest
	client.VertexStatus
}

// record makes the recorder receive the description of a build with the given options.
func (r *recorder) record(o *builder.Options) {
	r.vertices = map[digest.Digest]*client.Vertex{}
	o.Planned = func(p *answers.Plan) { r.plan = p }
}

// status records the progress of the build.
func (r *recorder) status(s *client.SolveStatus) {
	if r.vertices == nil {
		return
	}
	for _, v := range s.Vertexes {
		if r.vertices[v.Digest] == nil {
			r.order = append(r.order, v.Digest)
		}
		r.vertices[v.Digest] = v
	}
	for _, v := range s.Statuses {
		if strings.HasPrefix(v.ID, transferring) {
			r.transfer(v)
		}
	}
}

// transferring is the beginning of the IDs of transfers, such as "transferring context:".
const transferring = "transferring "

// transfer records the state of a transfer.
func (r *recorder) transfer(v *client.VertexStatus) {
	for _, t := range r.transfers {
		if t.vertex == v.Vertex && t.ID == v.ID {
			t.VertexStatus = *v
			return
		}
	}
	r.transfers = append(r.transfers, &transfer{v.Vertex, *v})
}

// list returns the recorded operations in the order in which the progress mentioned them first.
func (r *recorder) list() []answers.Vertex {
	at := func(t *time.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return *t
	}
	var list []answers.Vertex
	for _, d := range r.order {
		v := r.vertices[d]
		x := answers.Vertex{Digest: string(d), Name: v.Name, Started: at(v.Started), Completed: at(v.Completed), Cached: v.Cached, Error: v.Error}
		for _, in := range v.Inputs {
			x.Inputs = append(x.Inputs, string(in))
		}
		list = append(list, x)
	}
	return list
}

// writeGraph writes the graph of the build, which ended with the given error, to a file. If the build
// failed before it was planned, there is no graph.
func (r *recorder) writeGraph(ctx context.Context, file string, failed error) error {
	if r.plan == nil {
		if failed != nil {
			return nil
		}
		return errors.New("another frontend did the build, and only the built-in one describes builds")
	}
	r.plan.Record(r.list())
	var page bytes.Buffer
	if err := r.plan.WriteGraph(&page, answers.HTML); err != nil {
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
