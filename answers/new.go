package answers

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/instructions"
	"slipway/plan"
	"slipway/source"
)

// Build is the part of a build for one target platform.
type Build struct {
	Plan *plan.Plan
	// Operation returns the LLB operations of an instruction in a stage or, if the visit is nil,
	// of the pull of its base.
	Operation func(*plan.Stage, *plan.Visit) Operation
	// Prediction is what the builder knows about the operations. It may be nil.
	Prediction *Prediction
}

// Operation describes the LLB operations of a step.
type Operation struct {
	Digests         []string // the operation that does the work first
	Definition, Key string   // see [Step]
}

// Prediction is what a builder knows about the operations of a build without running them.
type Prediction struct {
	Operations map[string]Predicted // by digest
	Files      *int                 // number of files that the build reads from the main context; nil if unknown
	Bytes      *int64               // size of these files; nil if unknown
}

// Predicted is what a builder knows about an operation.
type Predicted struct {
	Cache   Cache
	Content string // digest of the files that the operation reads from local directories; "" if unknown
	Why     string // why the cache state is unknown; may be ""
}

// New describes a build for one or more target platforms. The plans must be complete.
func New(builds []Build) *Plan {
	c := &converter{
		out:     &Plan{Version: Version, Files: []string{}, Stages: []*Stage{}, Sources: []*Source{}},
		files:   map[*source.File]int{},
		sources: map[Source]*Source{},
	}
	paths := &plan.Paths{}
	for _, b := range builds {
		c.build(b)
		paths.AddAll(b.Plan.Context)
	}
	c.context(builds, paths)
	return c.out
}

// converter converts plans to a [Plan].
type converter struct {
	out     *Plan
	files   map[*source.File]int
	sources map[Source]*Source // by their fields without ID

	// These fields are about the current target platform.
	of     Build
	target string
	ids    map[*plan.Stage]string // of stages and implicit stages
}

// build adds the stages of a build for one target platform.
func (c *converter) build(b Build) {
	c.of, c.target, c.ids = b, platforms.FormatAll(b.Plan.Platform), map[*plan.Stage]string{}
	c.out.Platforms = append(c.out.Platforms, c.target)
	var list []*plan.Stage
	for _, st := range b.Plan.Stages {
		if st.Syntax == nil || st.Replaced != nil {
			continue // an implicit stage, or a stage that a named context replaces
		}
		c.ids[st] = fmt.Sprintf("s%d", len(c.out.Stages)+len(list))
		list = append(list, st)
	}
	for _, st := range list {
		s := c.stage(st)
		c.out.Stages = append(c.out.Stages, s)
		if s.Target {
			c.out.Target = s.label()
		}
	}
}

// stage converts a stage of the file.
func (c *converter) stage(st *plan.Stage) *Stage {
	s := &Stage{
		ID: c.ids[st], Name: st.Name, For: c.target,
		Target: st == c.of.Plan.Target, Reachable: st.Reachable,
		Base: baseName(st), Needs: []*Need{}, Steps: []*Step{},
	}
	s.File, s.Line, _ = c.place(st.Syntax.From.In.Rng)
	if st.Platform != nil {
		s.Platform = platforms.FormatAll(*st.Platform)
	}
	if from := c.base(st); from != "" {
		s.Needs = append(s.Needs, &Need{From: from, Kind: NeedBase})
	}
	if !st.Reachable {
		c.declaredNeeds(s, st)
		return s
	}
	if st.BaseStep != nil {
		s.Steps = append(s.Steps, c.pull(st))
	}
	for _, v := range st.Visits {
		if v.Step != nil {
			c.step(s, st, v)
		}
	}
	if s.Target {
		s.Config = &st.Image.Config
	}
	return s
}

// baseName returns the base of a stage as in its FROM, with variables expanded.
func baseName(st *plan.Stage) string {
	switch b := st.Base.(type) {
	case *plan.FromStage:
		return b.Stage.Name
	case *plan.FromImage:
		return b.Name
	case *plan.FromContext, plan.Scratch:
	}
	return st.BaseName
}

// declaredNeeds adds the other stages that an unreachable stage reads. Its images are not
// resolved, and its instructions are not evaluated.
func (c *converter) declaredNeeds(s *Stage, st *plan.Stage) {
	for _, e := range st.Deps {
		if id, ok := c.ids[e.To]; ok {
			s.need(id, kindOf(e.By), 0)
		}
	}
}

// kindOf returns how an instruction reads another stage.
func kindOf(by instructions.Command) NeedKind {
	if _, ok := by.(*instructions.Run); ok {
		return NeedMount
	}
	return NeedCopy
}

// need adds an edge, unless the stage already has an edge of the same kind. The parameter step is
// the number of the step, or 0 if it has none.
func (s *Stage) need(from string, kind NeedKind, step int) {
	i := slices.IndexFunc(s.Needs, func(n *Need) bool { return n.From == from && n.Kind == kind })
	if i < 0 {
		i = len(s.Needs)
		s.Needs = append(s.Needs, &Need{From: from, Kind: kind})
	}
	if n := s.Needs[i]; step > 0 && !slices.Contains(n.Steps, step) {
		n.Steps = append(n.Steps, step)
	}
}

// base returns the ID of what a stage starts from, or "" for scratch and for a base that is not
// resolved.
func (c *converter) base(st *plan.Stage) string {
	switch b := st.Base.(type) {
	case *plan.FromStage:
		return c.id(b.Stage)
	case *plan.FromImage:
		return c.source(Source{
			Kind: SourceImage, Ref: b.Name, Resolved: b.Ref,
			Platform: platforms.FormatAll(b.Platform), Pinned: strings.Contains(b.Name, "@"),
		})
	case *plan.FromContext:
		return c.source(Source{Kind: SourceNamed, Ref: b.Input.Name})
	case plan.Scratch:
	}
	return ""
}

// id returns the ID of a stage or, for an implicit or replaced stage, of its source.
func (c *converter) id(st *plan.Stage) string {
	if id, ok := c.ids[st]; ok {
		return id
	}
	id := c.base(st)
	c.ids[st] = id
	return id
}

// source returns the ID of a source, and adds the source to the plan on the first call.
func (c *converter) source(s Source) string {
	if have := c.sources[s]; have != nil {
		return have.ID
	}
	added := s
	added.ID = fmt.Sprintf("i%d", len(c.out.Sources))
	c.out.Sources = append(c.out.Sources, &added)
	c.sources[s] = &added
	return added.ID
}

// tree returns the ID of the stage or source that contains a file tree.
func (c *converter) tree(t plan.Tree) string {
	if t.Stage == nil {
		return c.source(Source{Kind: SourceContext, Ref: "context"})
	}
	return c.id(t.Stage)
}

// place returns the location of an instruction, and its lines as written.
func (c *converter) place(r source.Range) (file, line int, lines []string) {
	if r.IsZero() {
		return 0, 0, nil
	}
	file, ok := c.files[r.File]
	if !ok {
		file = len(c.out.Files)
		c.files[r.File] = file
		c.out.Files = append(c.out.Files, r.File.Name)
	}
	line, last := r.Lines()
	for n := line; n <= last; n++ {
		lines = append(lines, r.File.Line(n))
	}
	return file, line, lines
}

// context sets the description of the main context, if a build reads it.
func (c *converter) context(builds []Build, paths *plan.Paths) {
	if !slices.ContainsFunc(c.out.Sources, func(s *Source) bool { return s.Kind == SourceContext }) {
		return
	}
	x := &Context{Paths: slices.Concat([]string{}, paths.Filter())}
	if p := builds[0].Prediction; p != nil && len(builds) == 1 {
		x.Files, x.Bytes = p.Files, p.Bytes
	}
	c.out.Context = x
}

// platformOf returns the platform p of a step, or "" if it equals the platform of the stage.
func platformOf(p *ocispecs.Platform, st *plan.Stage) string {
	if p == nil || st.Platform != nil && platforms.FormatAll(*p) == platforms.FormatAll(*st.Platform) {
		return ""
	}
	return platforms.FormatAll(*p)
}

// reads converts a map from IDs to paths to a list that is sorted by ID.
func reads(m map[string][]string) []*Read {
	var list []*Read
	for _, id := range slices.SortedFunc(maps.Keys(m), compareIDs) {
		list = append(list, &Read{From: id, Paths: m[id]})
	}
	return list
}

// compareIDs compares two IDs: sources before stages, then by number.
func compareIDs(a, b string) int {
	if a[0] != b[0] || len(a) == len(b) {
		return strings.Compare(a, b)
	}
	return len(a) - len(b)
}

// relative returns a path in a file tree relative to the root of the tree.
func relative(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}
