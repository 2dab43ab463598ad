package answers

import (
	"time"
)

// Run describes what a finished build did with a step.
type Run struct {
	Start, End time.Duration // since the build has started; equal if the step was not executed
	Outcome    Outcome
	Critical   bool // whether the end of the build waited for the step
}

// Outcome is the outcome of a step in a finished build.
type Outcome string

// The outcomes of steps.
const (
	Cached   Outcome = "cached"
	Executed Outcome = "executed"
	Failed   Outcome = "failed"
	Canceled Outcome = "canceled" // the step had started when the build ended
	Skipped  Outcome = "skipped"  // the step had not started when the build ended
)

// Vertex is the last state of an LLB operation in the progress of a build. A zero time means that
// the operation has not started or not ended.
type Vertex struct {
	Digest, Name       string
	Inputs             []string // digests
	Started, Completed time.Time
	Cached             bool
	Error              string
}

// Record adds the times and outcomes of a finished build to the steps. It also sets their cache
// states: a step that was executed has missed the cache.
func (p *Plan) Record(vertices []Vertex) {
	var start time.Time
	byDigest, byName := map[string]*Vertex{}, map[string]*Vertex{}
	for i := range vertices {
		v := &vertices[i]
		byDigest[v.Digest], byName[v.Name] = v, v
		if !v.Started.IsZero() && (start.IsZero() || v.Started.Before(start)) {
			start = v.Started
		}
	}
	for _, s := range p.Stages {
		for _, x := range s.Steps {
			var of []*Vertex
			for _, d := range x.Operations {
				if v := byDigest[d]; v != nil {
					of = append(of, v)
				}
			}
			if len(of) == 0 && byName[x.Progress] != nil {
				of = []*Vertex{byName[x.Progress]} // BuildKit changes the digests of operations without cache
			}
			x.record(of, start)
		}
	}
	p.markCritical()
}

// record sets Run and Cache of a step. The first vertex is the operation that does the work.
func (s *Step) record(of []*Vertex, start time.Time) {
	s.Run = &Run{Outcome: Skipped}
	for i, v := range of {
		if v.Started.IsZero() {
			continue
		}
		from, to := v.Started.Sub(start), v.Started.Sub(start)
		if !v.Completed.IsZero() && !v.Cached {
			to = v.Completed.Sub(start)
		}
		if i == 0 || s.Run.Outcome == Skipped {
			s.Run.Start, s.Run.End, s.Run.Outcome = from, to, outcomeOf(v)
		} else {
			s.Run.End = max(s.Run.End, to)
		}
		if v.Error != "" {
			s.Run.Outcome = outcomeOf(v)
		}
	}
	switch s.Run.Outcome {
	case Cached:
		s.Cache = CacheHit
	case Executed, Failed, Canceled:
		if s.Cache != CacheNever {
			s.Cache = CacheMiss
		}
	case Skipped:
	}
}

// outcomeOf returns the outcome of an operation that has started.
func outcomeOf(v *Vertex) Outcome {
	switch {
	case v.Error != "" && v.canceled():
		return Canceled
	case v.Error != "":
		return Failed
	case v.Cached:
		return Cached
	case v.Completed.IsZero():
		return Canceled
	}
	return Executed
}

// canceled reports whether an operation ended because the build failed elsewhere. Displays
// recognize such operations by the end of their error, too.
func (v *Vertex) canceled() bool {
	const text = "context canceled"
	return len(v.Error) >= len(text) && v.Error[len(v.Error)-len(text):] == text
}

// stepRef identifies a step in a plan.
type stepRef struct{ stage, step int }

// markCritical marks the steps that determined the duration of the build: the step that ended
// last, the step among its inputs that ended last, and so on.
func (p *Plan) markCritical() {
	stages := map[string]int{}
	for i, s := range p.Stages {
		stages[s.ID] = i
	}
	var at *stepRef
	for i, s := range p.Stages {
		for k, x := range s.Steps {
			if x.Run.ran() && (at == nil || x.Run.End > p.at(*at).Run.End) {
				at = &stepRef{i, k}
			}
		}
	}
	seen := map[stepRef]bool{}
	for at != nil && !seen[*at] {
		seen[*at] = true
		p.at(*at).Run.Critical = true
		var next *stepRef
		for _, in := range p.inputs(*at, stages) {
			if x := p.at(in); x.Run.ran() && (next == nil || x.Run.End > p.at(*next).Run.End) {
				next = &in
			}
		}
		at = next
	}
}

// ran reports whether a step was executed to its end.
func (r *Run) ran() bool { return r != nil && r.End > r.Start && r.Outcome != Canceled }

func (p *Plan) at(r stepRef) *Step { return p.Stages[r.stage].Steps[r.step] }

// inputs returns the steps whose results a step uses directly. The parameter stages maps IDs to
// indexes.
func (p *Plan) inputs(r stepRef, stages map[string]int) []stepRef {
	var list []stepRef
	add := func(id string) {
		if i, ok := stages[id]; ok {
			list = append(list, p.last(i, stages, len(p.Stages))...)
		}
	}
	if r.step > 0 {
		list = append(list, stepRef{r.stage, r.step - 1})
	} else {
		add(p.baseOf(r.stage))
	}
	for _, read := range p.at(r).Reads {
		if stages[read.From] != r.stage {
			add(read.From)
		}
	}
	return list
}

// baseOf returns the ID of the base of a stage, or "".
func (p *Plan) baseOf(stage int) string {
	for _, n := range p.Stages[stage].Needs {
		if n.Kind == NeedBase {
			return n.From
		}
	}
	return ""
}

// last returns the last step of a stage or, if the stage has no steps, of its base. It follows at
// most depth bases.
func (p *Plan) last(stage int, stages map[string]int, depth int) []stepRef {
	if n := len(p.Stages[stage].Steps); n > 0 {
		return []stepRef{{stage, n - 1}}
	}
	base, ok := stages[p.baseOf(stage)]
	if !ok || depth == 0 {
		return nil
	}
	return p.last(base, stages, depth-1)
}
