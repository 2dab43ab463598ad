package plan

import (
	"context"
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// boundCommand is an instruction together with the stages from which its flags --from and
// --mount read files.
type boundCommand struct {
	instructions.Command
	sources []*Stage
	onbuild bool
	holds   bool // whether the condition of the instruction is already known to be true
}

// bindEdges resolves --from and the sources of mounts to stages. A name that does not
// match a stage refers to an image. Such an image becomes an implicit stage at the end of
// Plan.Stages.
func bindEdges(ctx context.Context, b *builder) error {
	if err := b.bindStages(ctx); err != nil {
		return err
	}
	b.sortStages()
	if d := b.findCycle(); d != nil {
		return d
	}
	// Upstream: implicit stages count, so one RUN --mount names the stage.
	if len(b.Stages) == 1 {
		b.Stages[0].Name = ""
	}
	return nil
}

// bindStages implements bindEdges for the stages of the current Dockerfile.
func (b *builder) bindStages(ctx context.Context) error {
	for _, st := range b.current.explicit() {
		own := b.draft(st)
		own.commands = make([]boundCommand, 0, len(st.Syntax.Commands))
		early := b.earlyConditions(st)
		for _, c := range st.Syntax.Commands {
			holds, known, d := early.decide(c)
			if known && !holds {
				b.omit(st, c)
				continue
			}
			if d != nil {
				return d.In(c.Syntax().Rng)
			}
			bound, err := b.bind(ctx, st, c, c.Syntax().Rng, c.Syntax().Rng)
			if err != nil {
				return withRange(c.Syntax().Rng, err)
			}
			bound.holds = known
			own.commands = append(own.commands, bound)
		}
	}
	return nil
}

// bind finds the stages from which the instruction c reads, and adds an edge from the stage st
// to each of them. If --from or a mount names an image, bind adds an implicit stage for the
// image. The range location becomes the Location of the implicit stage for --from. Errors
// about images point at the range instruction.
func (b *builder) bind(ctx context.Context, st *Stage, c instructions.Command, location, instruction source.Range) (boundCommand, error) {
	bound := boundCommand{Command: c}
	var names []source.Range
	switch c := c.(type) {
	case *instructions.Copy:
		if c.From.Value == "" {
			break
		}
		src, err := b.copySource(ctx, st, c, location)
		if err != nil {
			return bound, err
		}
		bound.sources, names = []*Stage{src}, []source.Range{c.From.Text.Range()}
	case *instructions.Run:
		for _, m := range c.Mounts {
			src, err := b.mountSource(ctx, st, c, m)
			if err != nil {
				return bound, err
			}
			bound.sources, names = append(bound.sources, src), append(names, m.FromAt)
		}
	default: // reads no other stage
	}
	for i, src := range bound.sources {
		st.Deps = append(st.Deps, Edge{To: src, By: c, At: names[i]})
		if src.Syntax == nil && !b.has(src) {
			src.Scope = b.current
			named := names[i]
			if named.File != instruction.File { // the name is in the text of an ONBUILD trigger
				named = instruction
			}
			b.add(src, &draft{instruction: instruction, baseName: named})
		}
	}
	return bound, nil
}

// has reports whether the plan already contains the stage st.
func (b *builder) has(st *Stage) bool {
	return st.Index < len(b.Stages) && b.Stages[st.Index] == st
}

// implicitStage returns a stage without instructions for an image that --from or a mount
// names.
func implicitStage(name string, location source.Range) *Stage {
	return &Stage{BaseName: name, Used: &Paths{}, Context: &Paths{}, Location: location}
}

// copySource resolves the flag --from of COPY to a stage. The value of --from is the name
// or the index of a stage, or an image reference. It must not contain variables.
func (b *builder) copySource(ctx context.Context, st *Stage, c *instructions.Copy, location source.Range) (*Stage, error) {
	if other, err := b.otherStage(ctx, c, c.From); other != nil || err != nil {
		return other, err
	}
	from, d := b.expandSource(st, c, c.From)
	if d != nil {
		return nil, d
	}
	res, d := expandWord(shell.Expander{Escape: b.current.expand.Escape}, from, Env{})
	if d != nil {
		return nil, d
	}
	if res.Value != from.Value {
		return nil, diag.Errorf(variableRange(from, res), "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround")
	}
	i, err := strconv.Atoi(from.Value)
	if err != nil {
		if st := b.stageNamed(from.Value); st != nil {
			b.refer(c, c.From, st)
			return st, nil
		}
		return implicitStage(from.Value, location), nil
	}
	if i < 0 || i >= len(b.current.stages) {
		return nil, diag.Errorf(from.Text.Range(), "invalid stage index %d", i).Hinted("stages have the numbers 0 to %d", len(b.current.Dockerfile.Stages)-1)
	}
	b.referNumber(c, b.current.stages[i])
	return b.current.stages[i], nil
}

// variableRange returns the range of the first unset variable in the word w. It returns
// the range of the whole word if quotes or escapes hide the position of the variable.
func variableRange(w parser.Word, res shell.Expansion) source.Range {
	if len(res.Unmatched) > 0 && w.Value == w.Text.String() && res.Unmatched[0].Offset < w.Text.Len() {
		return w.Text.Slice(res.Unmatched[0].Offset, res.Unmatched[0].End).Range()
	}
	return w.Text.Range()
}

// stageNamed returns the last stage with the given name, or nil. It ignores the case of
// the name.
func (b *builder) stageNamed(name string) *Stage { return b.current.byName[strings.ToLower(name)] }

// findCycle returns an error if stages copy from or mount each other in a cycle. It
// ignores FROM, which can only refer to earlier stages.
func (b *builder) findCycle() *diag.Diagnostic {
	type frame struct {
		st   *Stage
		next int
	}
	const open, closed = 1, 2
	state := make(map[*Stage]int, len(b.Stages))
	for _, root := range b.Stages {
		if state[root] != 0 {
			continue
		}
		state[root] = open
		path := []frame{{st: root}}
		for len(path) > 0 {
			top := &path[len(path)-1]
			if top.next == len(top.st.Deps) {
				state[top.st] = closed
				path = path[:len(path)-1]
				continue
			}
			e := top.st.Deps[top.next]
			top.next++
			switch state[e.To] {
			case 0:
				state[e.To] = open
				path = append(path, frame{st: e.To})
			case open:
				used := make([]Edge, len(path))
				for i, f := range path {
					used[i] = lastUse(f.st, f.st.Deps[f.next-1].To)
				}
				return cycleError(root, used)
			}
		}
	}
	return nil
}

// lastUse returns the last edge from the stage st to the stage src.
//
// Upstream: if several instructions of a stage read the same other stage, the error about a
// cycle points at the last of these instructions.
func lastUse(st, src *Stage) Edge {
	i := len(st.Deps) - 1
	for st.Deps[i].To != src {
		i--
	}
	return st.Deps[i]
}

// cycleError returns the error for stages that need each other's files in a cycle. It
// points at the first edge of the cycle, and the other edges are related ranges.
func cycleError(st *Stage, used []Edge) *diag.Diagnostic {
	d := diag.Errorf(used[0].At, "circular dependency detected on stage: %s", st.Name).In(used[0].By.Syntax().Rng)
	for _, e := range used[1:] {
		d.Related = append(d.Related, diag.Related{Range: e.At, Context: e.By.Syntax().Rng})
	}
	return d
}
