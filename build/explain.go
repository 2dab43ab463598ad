package build

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/export"
)

// explainer tells of each step that was not cached what it depends on that is
// not as it was when a step of that name last ran.
type explainer struct {
	dir   string // where keys are remembered, by the name of their step
	lines []string
}

// missed looks at a step that runs.
func (x *explainer) missed(e solver.Event) {
	if _, isSource := e.Vertex.Op.Op.(*pb.Op_Source); isSource {
		return
	}
	name := e.Vertex.Name()
	file := filepath.Join(x.dir, digest.FromString(name).Encoded()[:32]+".json")
	var old solver.Key
	why := "no step of this name ran before"
	if data, err := os.ReadFile(file); err == nil && json.Unmarshal(data, &old) == nil {
		why = changes(old, e.Key)
	}
	if e.Vertex.Meta.IgnoreCache {
		why = "the cache is not to be used for it"
	}
	x.lines = append(x.lines, name+": "+why)
	data, err := json.Marshal(e.Key)
	if err == nil {
		err = export.WriteFile(file, func(w io.Writer) error { _, err := w.Write(data); return err })
	}
	if err != nil {
		x.lines = append(x.lines, "  it will not be known next time: "+err.Error())
	}
}

// changes says in what two keys differ.
func changes(old, now solver.Key) string {
	var changed []string
	for _, p := range now.Parts {
		i := slices.IndexFunc(old.Parts, func(o solver.Part) bool { return o.Name == p.Name })
		switch {
		case i < 0:
			changed = append(changed, p.Name+" is new")
		case old.Parts[i].Digest != p.Digest:
			changed = append(changed, p.Name+" changed")
		}
	}
	for _, p := range old.Parts {
		if !slices.ContainsFunc(now.Parts, func(n solver.Part) bool { return n.Name == p.Name }) {
			changed = append(changed, p.Name+" is gone")
		}
	}
	if len(changed) == 0 {
		return "nothing changed, but its result is not kept any more"
	}
	return strings.Join(changed, ", ")
}

// write writes what was found.
func (x *explainer) write(w io.Writer) error {
	if len(x.lines) == 0 {
		_, err := fmt.Fprintln(w, "all steps were cached")
		return err
	}
	_, err := fmt.Fprintln(w, strings.Join(x.lines, "\n"))
	return err
}
