package answers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Diff lists the differences between two builds.
type Diff struct {
	Version int          `json:"version"`
	Steps   []*StepDiff  `json:"steps"`  // in the order of the new file; steps that are gone come after their predecessor
	Config  []*FieldDiff `json:"config"` // differences between the image configs of the targets
	Rebuilt int          `json:"rebuilt"`
	Total   int          `json:"total"` // number of steps of the new build
}

// Change is how a step differs from the same step of another build.
type Change string

// The changes of steps.
const (
	Same    Change = "same"
	Changed Change = "changed" // the step itself is different
	Rebuilt Change = "rebuilt" // the step is equal, but something that it starts from or reads is different
	Added   Change = "new"
	Removed Change = "gone"
)

// StepDiff is a step of the new build, or a step of the old build that is gone.
type StepDiff struct {
	Stage  string   `json:"stage"`
	For    string   `json:"for"`
	N      int      `json:"n"` // number in its build
	Text   string   `json:"text"`
	File   string   `json:"file"`
	Line   int      `json:"line"`
	Change Change   `json:"change"`
	What   []string `json:"what,omitempty"`  // what has changed in the step, or why it is rebuilt
	Maybe  bool     `json:"maybe,omitempty"` // whether the step also changes if the files differ that it reads
}

// FieldDiff is a field of the image config that differs. A value that does not exist is nil.
type FieldDiff struct {
	For   string `json:"for"`
	Field string `json:"field"`
	Was   any    `json:"was"`
	Is    any    `json:"is"`
}

// Differs reports whether the builds differ. Files that are unknown do not count.
func (d *Diff) Differs() bool {
	return len(d.Config) > 0 || slices.ContainsFunc(d.Steps, func(s *StepDiff) bool { return s.Change != Same })
}

// Compare compares the stages that the targets of two builds need. Stages are paired by name and
// platform, and their steps by their texts, in order.
func Compare(was, is *Plan) *Diff {
	c := &comparer{was: was, is: is, out: &Diff{Version: Version, Steps: []*StepDiff{}, Config: []*FieldDiff{}}, changed: map[string]*StepDiff{}}
	old := map[[2]string]*Stage{}
	for _, s := range was.reachable() {
		old[s.key()] = s
	}
	for _, s := range is.reachable() { // each after the stages that it needs
		c.stage(old[s.key()], s)
		delete(old, s.key())
	}
	for _, s := range was.reachable() {
		if old[s.key()] == s {
			c.stage(s, nil)
		}
	}
	for _, s := range is.reachable() {
		if s.Target {
			c.config(s)
		}
	}
	return c.out
}

// key returns what identifies a stage in both builds: its name and the target platform.
func (s *Stage) key() [2]string { return [2]string{s.label(), s.For} }

// comparer compares two builds.
type comparer struct {
	was, is *Plan
	out     *Diff
	changed map[string]*StepDiff // the last step of each new stage that is not the same, by stage ID
}

// stage compares two stages. One of them may be nil.
func (c *comparer) stage(was, is *Stage) {
	var old, now []*Step
	if was != nil {
		old = was.Steps
	}
	if is != nil {
		now = is.Steps
	}
	var cause *StepDiff // the last step that is not the same
	for _, p := range pair(old, now) {
		d := c.step(p.was, p.is)
		switch {
		case p.is == nil:
			d.Stage, d.For, d.File, d.Change = was.label(), was.For, c.was.fileName(p.was), Removed
		case p.was == nil:
			d.Change = Added
		default:
			c.compare(d, p, was, is, cause)
		}
		if p.is != nil {
			d.Stage, d.For, d.File = is.label(), is.For, c.is.fileName(p.is)
			c.out.Total++
			if d.Change != Same {
				c.out.Rebuilt++
			}
		}
		if d.Change != Same {
			cause = d
			if is != nil {
				c.changed[is.ID] = d
			}
		}
		c.out.Steps = append(c.out.Steps, d)
	}
}

// step returns a StepDiff that describes a step.
func (*comparer) step(was, is *Step) *StepDiff {
	s := is
	if s == nil {
		s = was
	}
	return &StepDiff{N: s.N, Text: s.Text, Line: s.Line, Change: Same}
}

func (p *Plan) fileName(s *Step) string {
	if s.File < len(p.Files) {
		return p.Files[s.File]
	}
	return ""
}

// compare sets the change of a step that exists in both builds.
func (c *comparer) compare(d *StepDiff, p pairOfSteps, was, is *Stage, cause *StepDiff) {
	d.What = c.fields(p.was, p.is, was, is)
	switch {
	case len(d.What) > 0:
		d.Change = Changed
	case p.was.Key != p.is.Key:
		d.Change, d.What = Rebuilt, []string{c.reason(p.is, is, cause)}
	case cause != nil && cause.Change != Removed:
		d.Change, d.What = Rebuilt, []string{cause.name()}
	default:
		if by := c.readsChanged(p.is, is); by != nil {
			d.Change, d.What = Rebuilt, []string{by.name()}
		}
	}
	d.Maybe = d.Change == Same && p.is.Content == "" && c.readsFiles(p.is)
}

// name identifies a step in a sentence.
func (d *StepDiff) name() string {
	if d.Change == Removed {
		return fmt.Sprintf("%s %d is gone", d.Stage, d.N)
	}
	return fmt.Sprintf("%s %d", d.Stage, d.N)
}

// reason returns why the key of an unchanged step differs.
func (c *comparer) reason(x *Step, is *Stage, cause *StepDiff) string {
	if by := c.readsChanged(x, is); by != nil {
		return by.name()
	}
	if cause != nil {
		return cause.name()
	}
	return "its base"
}

// readsChanged returns a changed step of a stage that the step reads or, for the first step, that
// its stage is based on. If no such step has changed, it returns nil.
func (c *comparer) readsChanged(x *Step, is *Stage) *StepDiff {
	for _, r := range x.Reads {
		if d := c.changed[r.From]; d != nil && r.From != is.ID {
			return d
		}
	}
	for id := is.base(); is.Steps[0] == x && id != ""; {
		if d := c.changed[id]; d != nil {
			return d
		}
		base := c.is.stage(id)
		if base == nil || len(base.Steps) > 0 {
			return nil
		}
		id = base.base()
	}
	return nil
}

// base returns the ID of the base of the stage, or "".
func (s *Stage) base() string {
	for _, n := range s.Needs {
		if n.Kind == NeedBase {
			return n.From
		}
	}
	return ""
}

// readsFiles reports whether the step reads a context.
func (c *comparer) readsFiles(x *Step) bool {
	return slices.ContainsFunc(x.Reads, func(r *Read) bool {
		k := c.is.source(r.From).Kind
		return k == SourceContext || k == SourceNamed
	})
}

// fields lists what has changed in a step.
func (c *comparer) fields(was, is *Step, old, now *Stage) []string {
	what := envChanges(was.Env, is.Env)
	add := func(name, was, is string) {
		if was != is {
			what = append(what, fmt.Sprintf("%s is now %q, was %q", name, is, was))
		}
	}
	if is.Kind == StepPull {
		add("the image", c.was.image(old), c.is.image(now))
	}
	add("the directory", was.Dir, is.Dir)
	add("the user", was.User, is.User)
	add("the network", was.Network, is.Network)
	add("the security mode", was.Security, is.Security)
	add("the platform", cmp.Or(was.Platform, old.Platform), cmp.Or(is.Platform, now.Platform))
	if !equalJSON(was.Mounts, is.Mounts) || !equalJSON(was.Secrets, is.Secrets) || !equalJSON(was.SSH, is.SSH) {
		what = append(what, "its mounts")
	}
	if len(what) == 0 && was.Definition != is.Definition {
		what = append(what, "its definition")
	}
	if was.Content != is.Content && was.Content != "" && is.Content != "" {
		what = append(what, "the files that it reads")
	}
	return what
}

// image returns the resolved reference of the image on which a stage is based.
func (p *Plan) image(s *Stage) string {
	src := p.source(s.base())
	return cmp.Or(src.Resolved, src.Ref)
}

// equalJSON reports whether two values have the same JSON.
func equalJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// envChanges lists the variables that differ, in the order of the new environment.
func envChanges(was, is []string) []string {
	old := map[string]string{}
	for _, kv := range was {
		k, v, _ := strings.Cut(kv, "=")
		old[k] = v
	}
	var what []string
	for _, kv := range is {
		k, v, _ := strings.Cut(kv, "=")
		before, had := old[k]
		delete(old, k)
		switch {
		case !had:
			what = append(what, fmt.Sprintf("%s is set to %q", k, v))
		case before != v:
			what = append(what, fmt.Sprintf("%s is now %q, was %q", k, v, before))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(old)) {
		what = append(what, k+" is no longer set")
	}
	return what
}

// config compares the image config of a target with the config of the old build.
func (c *comparer) config(is *Stage) {
	i := slices.IndexFunc(c.was.Stages, func(s *Stage) bool { return s.Target && s.For == is.For })
	if i < 0 {
		return
	}
	old, now := configFields(c.was.Stages[i]), configFields(is)
	keys := map[string]bool{}
	for _, m := range []map[string]any{old, now} {
		for k := range m {
			keys[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if !equalJSON(old[k], now[k]) {
			c.out.Config = append(c.out.Config, &FieldDiff{is.For, k, old[k], now[k]})
		}
	}
}

// configFields returns the fields of the image config as in its JSON.
func configFields(s *Stage) map[string]any {
	var m map[string]any
	data, err := json.Marshal(s.Config)
	if err != nil || json.Unmarshal(data, &m) != nil {
		return nil
	}
	return m
}
