package build

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

// explainer tells of each step that was not cached what it depends on that is
// not as it was when this Dockerfile was last built. It remembers that of each
// build, whether somebody asks or not.
type explainer struct {
	file  string // what is remembered
	store *tree.Store
	args  map[string]string // build arguments
	old   []remembered

	mu     sync.Mutex
	missed map[digest.Digest]bool // steps that ran
}

// miss notes that a step ran. It is safe for concurrent use, also with finish:
// when a build fails, other steps still run.
func (x *explainer) miss(step digest.Digest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.missed[step] = true
}

// ran reports whether a step was noted.
func (x *explainer) ran(step digest.Digest) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.missed[step]
}

// remembered is a step as it was in a build.
type remembered struct {
	Step   stepName
	Op     []byte   // its operation
	Inputs []string // names of the steps that it is made from
	Parts  []solver.Part
}

// stepName is the name of a step in its parts: [linux/amd64 stage 2/5] RUN x.
type stepName struct {
	Stage string // with the platform; "" is the only one
	Index int    // from 1; 0 is a step without a number
	Text  string
}

var numbered = regexp.MustCompile(`(?s)^\[(?:(.+) )?(\d+)/\d+\] (.*)$`)

func parseStep(name string) stepName {
	m := numbered.FindStringSubmatch(name)
	if m == nil {
		return stepName{Text: name}
	}
	n, _ := strconv.Atoi(m[2]) // digits only; one that is too large is no number of a step
	return stepName{m[1], n, m[3]}
}

// newExplainer reads what is remembered of the last build of a Dockerfile.
func newExplainer(s *state, o *Options) *explainer {
	from := o.Context
	if abs, err := filepath.Abs(from); err == nil && !isURL(from) && from != stdin {
		from = abs
	}
	id := digest.FromString(from + "\x00" + o.file()).Encoded()[:32]
	x := &explainer{
		file: filepath.Join(s.dir, "explain", id+".json"), store: s.store,
		args: o.BuildArgs, missed: map[digest.Digest]bool{},
	}
	if data, err := os.ReadFile(x.file); err == nil && json.Unmarshal(data, &x.old) != nil {
		x.old = nil // damaged
	}
	return x
}

// steps returns the operations of a build that are steps, with what they depend on
// as far as it was found out.
func (x *explainer) steps(b *solver.Build, graphs []*solver.Graph) (vertices []*solver.Vertex, now []remembered) {
	seen := map[digest.Digest]bool{}
	for _, g := range graphs {
		for _, v := range g.Vertices {
			if v.Op.GetSource() != nil || seen[v.Digest] {
				continue
			}
			seen[v.Digest] = true
			r := remembered{Step: parseStep(v.Name())}
			if k, ok := b.Known(v); ok {
				r.Parts = k.Parts
			}
			r.Op, _ = v.Op.MarshalVT() // as it was loaded
			for _, in := range v.Inputs {
				r.Inputs = append(r.Inputs, inputName(in.Vertex))
			}
			vertices, now = append(vertices, v), append(now, r)
		}
	}
	return vertices, now
}

// finish explains the steps that ran to w, which may be nil, and remembers them
// for the next build.
func (x *explainer) finish(w io.Writer, b *solver.Build, graphs []*solver.Graph) error {
	vertices, now := x.steps(b, graphs)
	err := x.remember(now)
	if w == nil {
		return nil // no build fails for that
	}
	var lines []string
	for i, v := range vertices {
		if x.ran(v.Digest) && !strings.HasPrefix(v.Name(), "[internal]") {
			lines = append(lines, v.Name()+": "+x.why(v, now, i))
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

// remember keeps what is known of steps now, and of those before that this build
// had no part of or did not come to.
func (x *explainer) remember(now []remembered) error {
	var list []remembered
	stages := map[string]bool{}
	for _, r := range now {
		stages[r.Step.Stage] = true
		if r.Parts != nil {
			list = append(list, r)
		}
	}
	for _, r := range x.old {
		i := slices.IndexFunc(now, func(n remembered) bool { return n.Step == r.Step })
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

// before finds what a step was before: the step with the same text, else the one
// that stood in its place and is gone.
func (x *explainer) before(now []remembered, i int) (old *remembered, edited bool) {
	step := now[i].Step
	for n := range x.old {
		r := &x.old[n]
		if r.Step.Text != step.Text {
			continue
		}
		if old == nil || rank(r.Step, step) < rank(old.Step, step) {
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
		still := slices.ContainsFunc(now, func(n remembered) bool { return n.Step.Stage == r.Step.Stage && n.Step.Text == r.Step.Text })
		if !still {
			return r, true
		}
	}
	return nil, false
}

// rank orders steps of the same text by how likely one was the other.
func rank(a, b stepName) int {
	d := max(a.Index-b.Index, b.Index-a.Index)
	if a.Stage != b.Stage {
		d += 1 << 20
	}
	return d
}

// why says why a step ran.
func (x *explainer) why(v *solver.Vertex, now []remembered, i int) string {
	old, edited := x.before(now, i)
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
		c.add("the instruction was %s before", cut(old.Step.Text))
	}
	c.find(edited)
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

// maxShown is how much of a value is shown, in bytes.
const maxShown = 60

// cut returns the beginning of a text, in one line.
func cut(s string) string {
	first, _, more := strings.Cut(s, "\n")
	if len(first) > maxShown {
		first, more = strings.ToValidUTF8(first[:maxShown], ""), true
	}
	if more {
		first += "…"
	}
	return first
}

// Names of what is no step.
const (
	theContext = "the context"
	aHeredoc   = "a heredoc"

	imagePrefix = "image " // of the references of images
)

// inputName names what a step is made from: what a source is, or another step.
func inputName(v *solver.Vertex) string {
	src := v.Op.GetSource()
	switch {
	case src == nil && strings.HasPrefix(v.Name(), "[internal]") && len(v.Inputs) == 0:
		return aHeredoc
	case src == nil:
		return v.Name()
	}
	scheme, rest, _ := strings.Cut(src.Identifier, "://")
	switch scheme {
	case "docker-image", "oci-layout":
		return imagePrefix + rest
	case "local":
		if rest == "context" {
			return theContext
		}
		return "the context " + rest
	}
	return src.Identifier
}
