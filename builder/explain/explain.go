package explain

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/diag"
	"slipway/solver"
	"slipway/solver/export"
	"slipway/solver/tree"
)

// Explainer explains the steps of one build that were not cached, and records the steps
// for the next build.
type Explainer struct {
	file  string // of the record
	store *tree.Store
	args  map[string]string
	old   []record // of the last build

	mu     sync.Mutex
	missed map[digest.Digest]bool // steps that ran
}

// Missed records that a step was not cached. It is safe for concurrent use, including
// with [Explainer.Finish], because other steps may still start after a build has failed.
func (x *Explainer) Missed(step digest.Digest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.missed[step] = true
}

// ran reports whether a step was not cached.
func (x *Explainer) ran(step digest.Digest) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.missed[step]
}

// record is a step of a build. Its fields are exported for package json.
type record struct {
	Step   stepName
	Op     []byte   // as Protobuf
	Inputs []string // names of the steps and sources that it reads
	Parts  []solver.Part
}

// stepName is a name such as "[linux/amd64 stage 2/5] RUN x", split into its parts.
type stepName struct {
	Stage string // with the platform; "" for the only stage
	Index int    // from 1; 0 for a step without a number
	Text  string
}

var stepPattern = regexp.MustCompile(`(?s)^\[(?:(.+) )?(\d+)/\d+\] (.*)$`)

func parseStep(name string) stepName {
	m := stepPattern.FindStringSubmatch(name)
	if m == nil {
		return stepName{Text: name}
	}
	n, _ := strconv.Atoi(m[2]) // digits only; one that is too large is no number of a step
	return stepName{m[1], n, m[3]}
}

// New returns an Explainer for the build of a Dockerfile. The last build of the same
// Dockerfile was recorded in the file, which may not exist; a damaged one is ignored. The
// store contains the files that steps read. Args are the build arguments.
func New(file string, store *tree.Store, args map[string]string) *Explainer {
	x := &Explainer{file: file, store: store, args: args, missed: map[digest.Digest]bool{}}
	if data, err := os.ReadFile(x.file); err == nil && json.Unmarshal(data, &x.old) != nil {
		x.old = nil // damaged
	}
	return x
}

// steps returns the vertices of a build that are not sources, each with its record. A step
// whose cache key was not computed has no parts.
func (*Explainer) steps(b *solver.Job, graphs []*solver.Graph) (steps []*solver.Vertex, now []record) {
	for _, v := range vertices(graphs) {
		if v.Op.GetSource() != nil {
			continue
		}
		r := record{Step: parseStep(v.Name())}
		if k, _, ok := b.Key(v); ok {
			r.Parts = k.Parts
		}
		r.Op, _ = v.Op.MarshalVT() // as it was loaded
		for _, in := range v.Inputs {
			r.Inputs = append(r.Inputs, inputName(in.Vertex))
		}
		steps, now = append(steps, v), append(now, r)
	}
	return steps, now
}

// Finish writes a line to w for each step that was not cached, unless w is nil, and
// records all steps for the next build. A record that cannot be written is not an error,
// but w gets a line about it.
func (x *Explainer) Finish(w io.Writer, b *solver.Job, graphs []*solver.Graph) error {
	steps, now := x.steps(b, graphs)
	err := x.save(now)
	if w == nil {
		return nil
	}
	var lines []string
	for i, v := range steps {
		if x.ran(v.Digest) && !strings.HasPrefix(v.Name(), "[internal]") {
			lines = append(lines, v.Name()+": "+x.reason(v, now, i))
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "all steps were cached")
	}
	if err != nil {
		lines = append(lines, "it will not be known next time: "+err.Error())
	}
	for i := range lines {
		lines[i] = diag.Line(lines[i])
	}
	_, err = fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// save writes the records of this build. It keeps the old record of a step if this build
// did not reach the step or does not have its stage.
func (x *Explainer) save(now []record) error {
	var list []record
	stages := map[string]bool{}
	for _, r := range now {
		stages[r.Step.Stage] = true
		if r.Parts != nil {
			list = append(list, r)
		}
	}
	for _, r := range x.old {
		i := slices.IndexFunc(now, func(n record) bool { return n.Step == r.Step })
		if i < 0 && !stages[r.Step.Stage] || i >= 0 && now[i].Parts == nil {
			list = append(list, r)
		}
	}
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(x.file); err == nil && string(old) == string(data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(x.file), 0o700); err != nil {
		return err
	}
	return export.WriteFile(x.file, func(w io.Writer) error { _, err := w.Write(data); return err })
}

// before returns the old record of a step: that of a step with the same text, or else
// that of a removed step with the same number, and whether the text was edited.
func (x *Explainer) previous(now []record, i int) (old *record, edited bool) {
	step := now[i].Step
	for n := range x.old {
		r := &x.old[n]
		if r.Step.Text != step.Text {
			continue
		}
		if old == nil || distance(r.Step, step) < distance(old.Step, step) {
			old = r
		}
	}
	if old != nil {
		return old, false
	}
	for n := range x.old {
		r := &x.old[n]
		if r.Step.Stage != step.Stage || r.Step.Index != step.Index || step.Index == 0 {
			continue
		}
		still := slices.ContainsFunc(now, func(n record) bool { return n.Step.Stage == r.Step.Stage && n.Step.Text == r.Step.Text })
		if !still {
			return r, true
		}
	}
	return nil, false
}

// rank is the distance of two steps with the same text. The nearest one is most likely the
// same step.
func distance(a, b stepName) int {
	d := max(a.Index-b.Index, b.Index-a.Index)
	if a.Stage != b.Stage {
		d += 1 << 20
	}
	return d
}

// why returns the reason why a step was not cached.
func (x *Explainer) reason(v *solver.Vertex, now []record, i int) string {
	old, edited := x.previous(now, i)
	switch {
	case v.Meta.IgnoreCache:
		return "the cache is not to be used for it"
	case len(x.old) == 0:
		return "this Dockerfile was not built here before"
	case old == nil:
		return "the step is new"
	}
	var was pb.Op
	if err := was.UnmarshalVT(old.Op); err != nil {
		return "what it was before cannot be read any more"
	}
	c := &changes{x: x, v: v, old: old, was: &was, now: &now[i]}
	if edited {
		c.add("the instruction was %s before", excerpt(old.Step.Text))
	}
	c.compare(edited)
	if len(c.list) > 0 {
		return strings.Join(c.list, "; ")
	}
	for _, in := range v.Inputs {
		if in.Vertex.Meta.IgnoreCache && in.Vertex.Op.GetSource() == nil {
			return "the cache is not to be used for " + inputName(in.Vertex) + ", which it starts from"
		}
	}
	return "nothing changed, but its result is not kept any more"
}

// maxShown is the number of bytes of a value that are shown.
const maxShown = 60

// cut returns the beginning of the first line of a text.
func excerpt(s string) string {
	first, _, more := strings.Cut(s, "\n")
	if len(first) > maxShown {
		first, more = strings.ToValidUTF8(first[:maxShown], ""), true
	}
	if more {
		first += "…"
	}
	return first
}

// Names of inputs that are not steps.
const (
	contextName = "the context"
	heredocName = "a heredoc"

	imagePrefix = "image " // followed by a reference
)

// inputName returns the name of an input of a step: a source or another step.
func inputName(v *solver.Vertex) string {
	src := v.Op.GetSource()
	switch {
	case src == nil && strings.HasPrefix(v.Name(), "[internal]") && len(v.Inputs) == 0:
		return heredocName
	case src == nil:
		return v.Name()
	}
	scheme, rest, _ := strings.Cut(src.Identifier, "://")
	switch scheme {
	case "docker-image", "oci-layout":
		return imagePrefix + rest
	case "local":
		if rest == "context" {
			return contextName
		}
		return "the context " + rest
	}
	return src.Identifier
}
