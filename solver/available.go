package solver

import (
	"context"

	"slipway/solver/snapshot"
)

// AvailableOutput is an output of a vertex that exists without running an operation.
type AvailableOutput struct {
	Vertex   *Vertex
	Index    int // number of the output
	Snapshot *snapshot.Snapshot
}

// Available returns the outputs that the result r consists of, directly or transitively, and r
// itself. Each output comes after the inputs of its vertex. Outputs that neither the local cache has
// nor this job has evaluated are missing, as are local directories.
func (j *Job) Available(ctx context.Context, r *Result) ([]AvailableOutput, error) {
	var list []AvailableOutput
	visited := map[chainKey]bool{}
	var add func(r *Result)
	add = func(r *Result) {
		key := chainKey{r.task, r.index}
		if visited[key] {
			return
		}
		visited[key] = true
		for _, in := range r.task.in {
			add(in)
		}
		if isLocal(r.task.v) {
			return
		}
		if s, err := r.peek(ctx); err == nil {
			list = append(list, AvailableOutput{r.task.v, r.index, s})
		}
	}
	add(r)
	return list, ctx.Err()
}
