package explain

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"slipway/diag"
	"slipway/solver"
)

// WriteKeys writes the cache key of each vertex to w. Below the key, it lists the parts of
// the key, and the inputs from which the parts come. A vertex comes after its inputs. If the
// build did not need a vertex, it has no key.
//
//	[2/3] COPY a.txt /: cached
//	  key sha256:4fc82b26aecb47d2868c4efbe3581732a3e7cbcc6c2efb32062c08170a05eeb8
//	  3f786850e387 operation
//	  89e6c98d9288 files of copy 0, from the context
func (x *Explainer) WriteKeys(w io.Writer, b *solver.Job, graphs []*solver.Graph) error {
	var out strings.Builder
	for _, v := range vertices(graphs) {
		key, cached, ok := b.Key(v)
		fmt.Fprintf(&out, "%s: %s\n", diag.Line(v.Name()), x.state(v, cached))
		if !ok {
			continue
		}
		fmt.Fprintf(&out, "  key %s\n", key.Digest())
		for _, p := range key.Parts {
			fmt.Fprintf(&out, "  %.12s %s", p.Digest.Encoded(), p.Name)
			if p.Input >= 0 && p.Input < len(v.Inputs) {
				fmt.Fprintf(&out, ", from %s", diag.Line(inputName(v.Inputs[p.Input].Vertex)))
			}
			out.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// state describes how the build obtained the outputs of a vertex: "fetched", "ran", "cached"
// or "not needed".
func (x *Explainer) state(v *solver.Vertex, cached bool) string {
	switch {
	case x.ran(v.Digest) && v.Op.GetSource() != nil:
		return "fetched"
	case x.ran(v.Digest):
		return "ran"
	case cached:
		return "cached"
	}
	return "not needed"
}

// vertices returns each vertex in the graphs once. It sorts the graphs by their results,
// because the graphs for several platforms are solved in random order.
func vertices(graphs []*solver.Graph) []*solver.Vertex {
	result := func(g *solver.Graph) (name string, dgst digest.Digest) {
		if v := g.Root.Vertex; v != nil {
			return v.Name(), v.Digest
		}
		return "", ""
	}
	graphs = slices.SortedStableFunc(slices.Values(graphs), func(a, b *solver.Graph) int {
		nameA, digestA := result(a)
		nameB, digestB := result(b)
		return cmp.Or(strings.Compare(nameA, nameB), strings.Compare(string(digestA), string(digestB)))
	})
	var list []*solver.Vertex
	seen := map[digest.Digest]bool{}
	for _, g := range graphs {
		for _, v := range g.Vertices {
			if !seen[v.Digest] {
				seen[v.Digest] = true
				list = append(list, v)
			}
		}
	}
	return list
}
