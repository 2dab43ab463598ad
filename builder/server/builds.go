package server

import (
	"context"
	"slices"
	"sync"

	controlapi "github.com/moby/buildkit/api/services/control"
)

// maxEnded is the number of ended builds whose progress is available even if they are not in the
// history. A client may ask for the progress of its build after the build has ended.
const maxEnded = 32

// build is a build that a client has requested.
type build struct {
	record *controlapi.BuildHistoryRecord
	status *statusLog
	images *controlapi.BuildResultInfo // descriptors of exported images; nil until they are complete
	// provenance contains the SLSA predicates of the results, see [builder.Result].
	provenance map[string][]byte
}

// builds contains the running builds, and the last builds that have ended. Safe for concurrent
// use.
type builds struct {
	running  *running[*build]
	starting sync.Mutex // held while a build starts, so that no other build gets the same reference

	mu    sync.Mutex
	ended []*build // the last builds, oldest first
}

func newBuilds() *builds { return &builds{running: newRunning[*build]()} }

// find returns the build with the given reference if the build is running or has recently ended.
// Otherwise, it returns false.
func (b *builds) find(ref string) (*build, bool) {
	if found, ok := b.running.find(ref); ok {
		return found, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.ended, func(e *build) bool { return e.record.Ref == ref })
	if i < 0 {
		return nil, false
	}
	return b.ended[i], true
}

// get returns the build with the given reference if the build is running or has recently ended.
// Because the build may start soon, get waits for it for a short time. If the reference remains
// unknown, get returns an error.
func (b *builds) get(ctx context.Context, ref string) (*build, error) {
	return b.running.await(ctx, ref, func() (*build, bool) { return b.find(ref) })
}

// end removes the build e from the running builds. The progress of the most recently ended
// builds remains available.
func (b *builds) end(e *build) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = append(b.ended, e)
	for len(b.ended) > maxEnded {
		b.ended[0].status.drop()
		b.ended = b.ended[1:]
	}
	b.running.remove(e.record.Ref)
}
