package dockerfile2llb

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// Marshal encodes r.State as an LLB definition. The result equals the result of
// llb.State.Marshal, which is slower because it copies the metadata of every operation
// several times.
func (r *Conversion) Marshal(ctx context.Context, opts ...llb.ConstraintsOpt) (*pb.Definition, error) {
	w := &writer{
		c:       llb.NewConstraints(append(slices.Clip(r.defaults), opts...)...),
		def:     &pb.Definition{Metadata: map[string]*pb.OpMetadata{}},
		visited: map[llb.Vertex]bool{},
		index:   map[*llb.SourceMap]int32{},
	}
	out := r.State.Output()
	if out == nil || out.Vertex(ctx, w.c) == nil {
		return w.def, nil
	}
	w.def.Source = &pb.Source{Locations: map[string]*pb.Locations{}}
	if err := w.add(ctx, out.Vertex(ctx, w.c)); err != nil {
		return nil, err
	}
	if err := w.finish(ctx, out); err != nil {
		return nil, err
	}
	return w.def, w.describeSources(ctx, opts)
}

// writer builds an LLB definition: the operations of a state, their metadata and their
// source files.
type writer struct {
	c       *llb.Constraints
	def     *pb.Definition
	visited map[llb.Vertex]bool
	maps    []*llb.SourceMap
	index   map[*llb.SourceMap]int32 // source map → index in the field maps; equal source maps share an index
}

// add appends the inputs of a vertex and then the vertex itself to the definition. It
// appends equal operations only once and merges their metadata.
func (w *writer) add(ctx context.Context, v llb.Vertex) error {
	if w.visited[v] {
		return nil
	}
	w.visited[v] = true
	for _, in := range v.Inputs() {
		if err := w.add(ctx, in.Vertex(ctx, w.c)); err != nil {
			return err
		}
	}
	dgst, data, meta, locations, err := v.Marshal(ctx, w.c)
	if err != nil {
		return err
	}
	w.locate(string(dgst), locations)
	have, again := w.def.Metadata[string(dgst)]
	if again {
		meta = mergeMetadata(have, meta)
	} else {
		w.def.Def = append(w.def.Def, data)
	}
	w.def.Metadata[string(dgst)] = meta
	return nil
}

// mergeMetadata merges a and b, the metadata of two equal operations. If a field differs,
// the value in b takes precedence.
func mergeMetadata(a, b *pb.OpMetadata) *pb.OpMetadata {
	m := &pb.OpMetadata{
		IgnoreCache:    a.IgnoreCache || b.IgnoreCache,
		Description:    maps.Clone(a.Description),
		ExportCache:    a.ExportCache,
		Caps:           maps.Clone(a.Caps),
		ProgressGroup:  a.ProgressGroup,
		LinuxResources: a.LinuxResources,
	}
	if m.Description == nil {
		m.Description = b.Description
	} else {
		maps.Copy(m.Description, b.Description)
	}
	if m.Caps == nil {
		m.Caps = b.Caps
	} else {
		maps.Copy(m.Caps, b.Caps)
	}
	if b.ExportCache != nil {
		m.ExportCache = b.ExportCache
	}
	if b.ProgressGroup != nil {
		m.ProgressGroup = b.ProgressGroup
	}
	if b.LinuxResources != nil {
		m.LinuxResources = b.LinuxResources
	}
	return m
}

// locate records the source locations of an operation. An operation without locations has
// an empty entry.
func (w *writer) locate(dgst string, locations []*llb.SourceLocation) {
	at := w.def.Source.Locations[dgst]
	if at == nil {
		at = &pb.Locations{}
		w.def.Source.Locations[dgst] = at
	}
	for _, p := range locations {
		at.Locations = append(at.Locations, &pb.Location{SourceIndex: w.sourceIndex(p.SourceMap), Ranges: p.Ranges})
	}
}

// sourceIndex returns the index of a source map in the definition. Source maps of equal
// files share an index.
func (w *writer) sourceIndex(m *llb.SourceMap) int32 {
	i, ok := w.index[m]
	if ok {
		return i
	}
	at := slices.IndexFunc(w.maps, func(have *llb.SourceMap) bool { return sameFile(have, m) })
	if at < 0 {
		at = len(w.maps)
		w.maps = append(w.maps, m)
	}
	w.index[m] = int32(at)
	return int32(at)
}

// sameFile reports whether two source maps have equal file names, languages, contents and
// LLB definitions.
func sameFile(a, b *llb.SourceMap) bool {
	if a.Filename != b.Filename || a.Language != b.Language || !bytes.Equal(a.Data, b.Data) {
		return false
	}
	if a.Definition == nil || b.Definition == nil {
		return true
	}
	x, y := a.Definition.Def, b.Definition.Def
	return len(x) == len(y) && (len(x) == 0 || bytes.Equal(x[len(x)-1], y[len(y)-1]))
}

// finish appends the final operation of a definition. Its only input is out, the result
// of the build. finish also records the daemon capabilities that the definition as a
// whole requires.
func (w *writer) finish(ctx context.Context, out llb.Output) error {
	in, err := out.ToInput(ctx, w.c)
	if err != nil {
		return err
	}
	data, err := (&pb.Op{Inputs: []*pb.Input{in}}).MarshalVT()
	if err != nil {
		return err
	}
	caps := map[string]bool{string(pb.CapConstraints): true, string(pb.CapPlatform): true}
	for _, m := range w.def.Metadata {
		if m.IgnoreCache {
			caps[string(pb.CapMetaIgnoreCache)] = true
		}
		if m.Description != nil {
			caps[string(pb.CapMetaDescription)] = true
		}
		if m.ExportCache != nil {
			caps[string(pb.CapMetaExportCache)] = true
		}
	}
	w.def.Def = append(w.def.Def, data)
	w.def.Metadata[string(digest.FromBytes(data))] = &pb.OpMetadata{Caps: caps}
	return nil
}

// describeSources adds the source files to the definition. Each file includes the LLB
// definition of the state from which the frontend read the file.
func (w *writer) describeSources(ctx context.Context, opts []llb.ConstraintsOpt) error {
	for _, m := range w.maps {
		info := &pb.SourceInfo{Data: m.Data, Filename: m.Filename, Language: m.Language}
		def := m.Definition
		if def == nil && m.State != nil {
			var err error
			if def, err = m.State.Marshal(ctx, opts...); err != nil {
				return err
			}
		}
		if def != nil {
			info.Definition = def.ToPB()
		}
		w.def.Source.Infos = append(w.def.Source.Infos, info)
	}
	return nil
}
