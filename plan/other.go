package plan

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
	"slipway/parser"
)

// otherStage returns the stage of another Dockerfile to which the word w of the instruction c
// refers, such as ./go.dockerfile#build. It returns nil if w is no such reference.
func (b *builder) otherStage(ctx context.Context, c instructions.Command, w parser.Word) (*Stage, error) {
	if !b.isGated() || !b.ownFile(w.Text.File()) {
		return nil, nil
	}
	ref, ok := dialect.ParseFileRef(w.Value)
	if !ok {
		return nil, nil
	}
	at := w.Text.Range()
	other := b.current.Dockerfile.Others[instructions.FileRef{In: w.Text.File(), Text: ref.File}]
	if other == nil {
		return nil, diag.Errorf(at, "cannot read %s: other Dockerfiles are not available", ref.File)
	}
	if other.Err != nil {
		return nil, otherError(w, other.Err)
	}
	name, d := b.word(b.current.expand, parser.Word{Value: ref.Stage, Text: w.Text}, b.current.Globals)
	if d != nil {
		return nil, d
	}
	if ref.HasStage && name.Value == "" {
		return nil, diag.Errorf(at, "%s needs the name or the number of a stage after #", ref.File)
	}
	s, err := b.open(ctx, other, name.Value)
	if err != nil {
		return nil, err
	}
	st, d := s.find(w, name.Value)
	if d != nil {
		return nil, d
	}
	b.refer(c, w, st)
	return st, s.checkTarget(w, st)
}

// otherError returns the error about a Dockerfile that cannot be used. If it has no location of
// its own, it points at w, the reference to the file.
func otherError(w parser.Word, err error) error {
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok && !d.Shown().IsZero() {
		return err
	}
	return diag.Errorf(w.Text.Range(), "%w", err)
}

// open adds the stages of another Dockerfile to the plan, unless they are part of it. The
// parameter target is the name or the number of the stage that is used.
func (b *builder) open(ctx context.Context, of *instructions.OtherFile, target string) (*Scope, error) {
	if s := b.opened[of]; s != nil {
		return s, nil
	}
	s := newScope(of.Dockerfile, of.Rules)
	s.Name, s.target = of.Name, target
	if i, err := strconv.Atoi(target); err == nil && i >= 0 && i < len(of.Dockerfile.Stages) {
		s.target = of.Dockerfile.Stages[i].Name
	}
	if b.opened == nil {
		b.opened = map[*instructions.OtherFile]*Scope{}
	}
	b.opened[of] = s
	defer b.enter(s)()
	for _, pass := range []func(context.Context) error{b.setVariables, b.collect, b.bindStages} {
		if err := pass(ctx); err != nil {
			return nil, err
		}
	}
	b.Others = append(b.Others, s)
	return s, nil
}

// enter makes s the current Dockerfile. The returned function restores the previous one.
func (b *builder) enter(s *Scope) func() {
	outer := b.current
	b.current = s
	return func() { b.current = outer }
}

// addOther adds the stage with the number i of another Dockerfile. Neither named contexts nor
// options that select stages by name apply to it.
func (b *builder) addOther(st *Stage, d *draft, i int) {
	st.Name = st.Scope.Name + "#" + st.Name
	if st.Syntax.Name == "" {
		st.Name += strconv.Itoa(i)
	}
	b.add(st, d)
	st.Total = countSteps(st)
	st.NoCache = b.opt.NoCache.All
	b.nameForEject(st)
}

// find returns the stage with the given name or number, or the last stage if name is "". The
// parameter w is the reference.
func (s *Scope) find(w parser.Word, name string) (*Stage, *diag.Diagnostic) {
	list := s.explicit()
	if name == "" {
		return list[len(list)-1], nil
	}
	if i, err := strconv.Atoi(name); err == nil {
		if i < 0 || i >= len(list) {
			return nil, diag.Errorf(w.Text.Range(), "%s has no stage %d", s.Name, i).Hinted("its stages have the numbers 0 to %d", len(list)-1)
		}
		return list[i], nil
	}
	if st := s.byName[strings.ToLower(name)]; st != nil {
		return st, nil
	}
	var names []string
	for _, st := range list {
		if st.Syntax.Name != "" {
			names = append(names, st.Syntax.Name)
		}
	}
	d := diag.Errorf(w.Text.Range(), "%s has no stage %s%s", s.Name, name, didYouMean(name, names))
	return nil, s.withOmitted(d, strings.ToLower(name))
}

// checkTarget returns an error if the file depends on TARGETSTAGE, but references to it name
// different stages, of which st is one.
func (s *Scope) checkTarget(w parser.Word, st *Stage) error {
	if want, _ := s.Predefined.Lookup("TARGETSTAGE"); st.Syntax.Name == want || st.Syntax.Name == "" && want == "default" {
		return nil
	}
	for _, in := range s.Dockerfile.File.Instructions() {
		if mentions(in, "TARGETSTAGE") || strings.EqualFold(in.Keyword.String(), "arg") && strings.Contains(in.Rest.String(), "TARGETSTAGE") {
			return diag.Errorf(w.Text.Range(), "TARGETSTAGE of %s has no single value, because several of its stages are used", s.Name).
				Note(in.Rng, "TARGETSTAGE is used here")
		}
	}
	return nil
}

// sortStages sorts the stages, so that those of each Dockerfile follow the stages of the
// Dockerfiles that it uses. Stages without instructions come last.
func (b *builder) sortStages() {
	if len(b.Others) == 0 {
		return
	}
	var stages []*Stage
	for _, s := range append(b.Others, b.Scope) {
		stages = append(stages, s.explicit()...)
	}
	for _, st := range b.Stages {
		if st.Syntax == nil {
			stages = append(stages, st)
		}
	}
	drafts := make([]*draft, len(stages))
	for i, st := range stages {
		drafts[i] = b.draft(st)
	}
	for i, st := range stages {
		st.Index = i
	}
	b.Stages, b.drafts = stages, drafts
}
