package answers

import "slices"

// pathFinder finds the critical path of a build: the steps that determined its duration.
type pathFinder struct {
	vertices []Vertex
	steps    []*ReportStep  // of each vertex; nil if it has not started
	index    map[string]int // of a vertex, by its digest
	outside  []bool         // whether a vertex has no inputs and is no input, such as an export
	seen     []bool         // whether a vertex is in the path or was considered as an input
}

func newPathFinder(vertices []Vertex, steps []*ReportStep) *pathFinder {
	f := &pathFinder{vertices: vertices, steps: steps, index: map[string]int{}, outside: make([]bool, len(vertices)), seen: make([]bool, len(vertices))}
	for i := range vertices {
		f.index[vertices[i].Digest], f.outside[i] = i, len(vertices[i].Inputs) == 0
	}
	for i := range vertices {
		for _, d := range vertices[i].Inputs {
			if in, ok := f.index[d]; ok {
				f.outside[in] = false
			}
		}
	}
	return f
}

// find returns the critical path in the order of time. It starts with the step that ended last, and
// continues with the step that this one waited for. An operation waits for its inputs. Work that is
// not an operation, such as an export, waits for all that ended before. Where an operation started
// later than its inputs ended, work that is not an operation fills the gap.
func (f *pathFinder) find() []*ReportStep {
	var path []*ReportStep
	at := f.latest(func(int) bool { return true })
	for at >= 0 {
		s := f.steps[at]
		f.seen[at] = true
		path = append(path, s)
		var next int
		if f.outside[at] {
			next = f.latest(func(i int) bool { return f.steps[i].end() <= s.Start })
		} else {
			next = f.input(at)
			after := Milliseconds(0)
			if next >= 0 {
				after = f.steps[next].end()
			}
			if i := f.latest(func(i int) bool { return f.outside[i] && f.steps[i].Start >= after && f.steps[i].end() <= s.Start }); i >= 0 {
				next = i
			}
		}
		at = next
	}
	slices.Reverse(path)
	return path
}

// latest returns the index of the vertex that ended last among those that were executed, are not in
// the path, and fulfill a condition. It returns -1 if none does.
func (f *pathFinder) latest(condition func(int) bool) int {
	found := -1
	for i, s := range f.steps {
		if s == nil || !s.ran() || s.Milliseconds == 0 || f.seen[i] || !condition(i) {
			continue
		}
		if found < 0 || s.end() > f.steps[found].end() {
			found = i
		}
	}
	return found
}

// input returns the index of the input that ended last, or -1. In place of an input that was cached,
// the inputs of this input count.
func (f *pathFinder) input(of int) int {
	found := -1
	for todo := []int{of}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		for _, d := range f.vertices[at].Inputs {
			i, ok := f.index[d]
			if !ok || f.seen[i] {
				continue
			}
			if s := f.steps[i]; s == nil || !s.ran() || s.Milliseconds == 0 {
				f.seen[i] = true
				todo = append(todo, i)
			} else if found < 0 || s.end() > f.steps[found].end() {
				found = i
			}
		}
	}
	return found
}
