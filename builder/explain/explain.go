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
	"slipway/internal/regularfile"
	"slipway/solver"
	"slipway/solver/export"
	"slipway/solver/tree"
)

// Explainer explains why the steps of one build were not cached. It also records the steps, so
// that the next build can be compared with them.
type Explainer struct {
	file  string // path of the recorded steps
	store *tree.Store
	args  map[string]string // build arguments
	data  []byte            // content of file before the build; nil if it cannot be read
	old   func() []record   // decodes data: the steps of the last build

	mu     sync.Mutex
	missed map[digest.Digest]bool // steps that were not cached
}

// Missed records that a step was not cached. Safe for concurrent use, even with
// [Explainer.Finish]: steps may still start after a build has failed.
func (x *Explainer) Missed(step digest.Digest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.missed[step] = true
}

// ran reports whether a step was executed, and not taken from the cache. The parameter step is
// the digest of the step.
func (x *Explainer) ran(step digest.Digest) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.missed[step]
}

// record describes a step, so that the next build can compare its own steps with it. The
// fields are exported for encoding/json.
type record struct {
	Step   stepName
	Op     []byte   // the pb.Op in protobuf encoding
	Inputs []string // names of the steps and sources that are inputs of the step
	Parts  []solver.Part
}

// stepName is the name of a step, such as "[linux/amd64 stage 2/5] RUN x", split into its
// parts.
type stepName struct {
	Stage string // platform and stage; "" for the only stage
	Index int    // number from 1; 0 for a step without a number
	Text  string // text of the instruction
}

var stepPattern = regexp.MustCompile(`(?s)^\[(?:(.+) )?(\d+)/\d+\] (.*)$`)

func parseStep(name string) stepName {
	m := stepPattern.FindStringSubmatch(name)
	if m == nil {
		return stepName{Text: name}
	}
	n, _ := strconv.Atoi(m[2]) // m[2] has only digits; a number out of range counts as 0
	return stepName{m[1], n, m[3]}
}

// New returns an Explainer for a build of a Dockerfile. The parameter file is the path of the
// record of the last build of the same Dockerfile. If this file is missing or damaged, the
// Explainer assumes that there was no such build. The parameter store contains the files that
// steps read, and args contains the build arguments.
func New(file string, store *tree.Store, args map[string]string) *Explainer {
	x := &Explainer{file: file, store: store, args: args, missed: map[digest.Digest]bool{}}
	x.data, _ = regularfile.Read(file)
	x.old = sync.OnceValue(func() []record {
		var list []record
		if json.Unmarshal(x.data, &list) != nil {
			return nil // the file is missing or damaged
		}
		return list
	})
	return x
}

// steps returns all vertices of a build that are not sources, and one record per vertex. The
// field Parts of a record is nil if the build did not compute the cache key of the step.
func (*Explainer) steps(b *solver.Job, graphs []*solver.Graph) (steps []*solver.Vertex, now []record) {
	for _, v := range vertices(graphs) {
		if v.Op.GetSource() != nil {
			continue
		}
		r := record{Step: parseStep(v.Name())}
		if k, _, ok := b.Key(v); ok {
			r.Parts = k.Parts
		}
		r.Op, _ = v.Op.MarshalVT() // cannot fail, since the operation was unmarshaled before
		for _, in := range v.Inputs {
			r.Inputs = append(r.Inputs, inputName(in.Vertex))
		}
		steps, now = append(steps, v), append(now, r)
	}
	return steps, now
}

// Finish records all steps for the next build. Unless w is nil, it also writes a line to w for
// each step that was not cached. If the steps cannot be recorded, Finish returns no error, but
// writes a line about the failure to w.
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

// save writes the records of this build's steps to the record file. It keeps a step's record
// from the last build in two cases: if this build did not compute the cache key of the step, or
// if it does not contain the stage of the step.
func (x *Explainer) save(now []record) error {
	var list []record
	stages := map[string]bool{}
	for _, r := range now {
		stages[r.Step.Stage] = true
		if r.Parts != nil {
			list = append(list, r)
		}
	}
	data, err := json.Marshal(list)
	if err == nil && string(data) == string(x.data) {
		return nil // the file contains exactly these records
	}
	for _, r := range x.old() {
		i := slices.IndexFunc(now, func(n record) bool { return n.Step == r.Step })
		if i < 0 && !stages[r.Step.Stage] || i >= 0 && now[i].Parts == nil {
			list = append(list, r)
		}
	}
	if data, err = json.Marshal(list); err != nil {
		return err
	}
	return x.write(data)
}

// write replaces the content of the record file, unless it equals data.
func (x *Explainer) write(data []byte) error {
	old, err := regularfile.Read(x.file)
	switch {
	case err == nil && string(old) == string(data):
		return nil
	case err != nil: // it may be a directory, which cannot be replaced
		if err := os.RemoveAll(x.file); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(x.file), 0o700); err != nil {
		return err
	}
	return export.WriteFile(x.file, func(w io.Writer) error { _, err := w.Write(data); return err })
}

// previous returns the record from the last build with which steps[i] is compared. The nearest
// record with the same text takes precedence. If no record has this text, the user has probably
// edited the instruction. In this case, the function returns the record with the same number in
// the same stage, and edited is true. It returns nil if this record does not exist, or if this
// build has a step with the text of this record in the same stage.
func (x *Explainer) previous(steps []record, i int) (old *record, edited bool) {
	step := steps[i].Step
	for n := range x.old() {
		r := &x.old()[n]
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
	for n := range x.old() {
		r := &x.old()[n]
		if r.Step.Stage != step.Stage || r.Step.Index != step.Index || step.Index == 0 {
			continue
		}
		still := slices.ContainsFunc(steps, func(n record) bool { return n.Step.Stage == r.Step.Stage && n.Step.Text == r.Step.Text })
		if !still {
			return r, true
		}
	}
	return nil, false
}

// distance returns the number of steps between the steps a and b in a Dockerfile. For steps in
// different stages, it returns a very large number. If several steps of the last build have the
// same text as a step of this build, the nearest of them is most likely the same step.
func distance(a, b stepName) int {
	d := max(a.Index-b.Index, b.Index-a.Index)
	if a.Stage != b.Stage {
		d += 1 << 20
	}
	return d
}

// reason returns the explanation of why a step of this build was not cached. The parameter v is
// the vertex of the step, steps contains the records of all steps of this build, and i is the
// index of the step in this list.
func (x *Explainer) reason(v *solver.Vertex, steps []record, i int) string {
	old, edited := x.previous(steps, i)
	switch {
	case v.Meta.IgnoreCache:
		return "the cache is not to be used for it"
	case len(x.old()) == 0:
		return "this Dockerfile was not built here before"
	case old == nil:
		return "the step is new"
	}
	var was pb.Op
	if err := was.UnmarshalVT(old.Op); err != nil {
		return "what it was before cannot be read any more"
	}
	c := &changes{x: x, v: v, old: old, was: &was, now: &steps[i]}
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

// maxShown is the maximum length in bytes of a value that an explanation quotes, such as
// the value of a variable.
const maxShown = 60

// excerpt returns the first line of s, shortened to at most maxShown bytes. If it omits
// any text, it appends an ellipsis.
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

// Names of step inputs in explanations, for inputs that are not steps: the build context,
// heredocs and images.
const (
	contextName = "the context"
	heredocName = "a heredoc"

	imagePrefix = "image " // followed by an image reference
)

// inputName returns the name that explanations use for an input of a step, which is a source
// or another step.
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

// otherRunner is the explanation for a step that was executed by a different runner in the
// last build, for example in namespaces instead of by the interpreter.
const otherRunner = "RUN steps run in another way, because --runner or the machine changed"
