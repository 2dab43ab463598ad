package solver

import (
	"context"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Options configures a Job.
type Options struct {
	Store   *tree.Store
	Cache   Cache
	Sources Sources
	Runner  runner.Runner
	Mounts  Mounts  // cache mounts, secrets and SSH agents; may be nil
	Imports Imports // imported caches; may be nil

	// Parallel is the number of operations that run at once; 0 means one.
	Parallel int
	// Now returns the time of new files and of events.
	Now func() time.Time
	// Events receives events, one at a time. If it is nil, they are dropped.
	Events func(Event)
	// Output limits what a process prints. If it is nil, the limits are BuildKit's
	// defaults: 2 MiB, and 200 KiB per second.
	Output *OutputLimit
	// Insecure permits processes with all privileges, HostNetwork processes in the
	// network of the host.
	Insecure, HostNetwork bool
	// NewOp returns the operation of a vertex. If it is nil, operations do what LLB
	// defines. Tests of the scheduler replace it.
	NewOp func(*Vertex) Op
}

// OutputLimit configures how much of what a RUN step prints becomes events. It
// holds for standard output and standard error each. A negative limit is none.
type OutputLimit struct {
	Size  int64 // bytes
	Speed int64 // bytes per second
}

// Sources resolves source operations (images, git, HTTP, local directories) to
// pinned content.
type Sources interface {
	// Open resolves a source without fetching it.
	Open(ctx context.Context, op *pb.SourceOp, platform *pb.Platform) (Source, error)
}

// Source is a source whose content is known.
type Source interface {
	// Digest returns a digest that covers the content.
	Digest() digest.Digest
	// Fetch returns the content.
	Fetch(ctx context.Context) (*snapshot.Snapshot, error)
}

// NamedSource is a [Source] that has a name in BuildKit's caches.
type NamedSource interface {
	Source
	CacheKey() (string, error)
}

// Mounts provides what processes see besides trees: cache mounts, secrets and SSH
// agents.
type Mounts interface {
	// CacheName returns the name of a cache: equal names mean the same cache. A cache
	// that starts as a copy of from belongs to that result: other results have other
	// caches with the same id.
	CacheName(id string, from *snapshot.Snapshot) string
	// Cache returns the directory of a cache, exclusive to this process unless it is
	// shared. release ends the use.
	Cache(ctx context.Context, id string, sharing pb.CacheSharingOpt, from *snapshot.Snapshot) (dir string, release func(), err error)
	// Reset makes the caches with these ids start anew.
	Reset(ids []string) error
	// Secret returns a secret, and reports whether it exists.
	Secret(ctx context.Context, id string) (data []byte, ok bool, err error)
	// Agent returns the path of the socket of an SSH agent, and reports whether the
	// agent exists. The id "" is the default agent.
	Agent(ctx context.Context, id string) (socket string, ok bool, err error)
}

// Imports are caches that other builds, of this program or of BuildKit, have
// exported. They name operations as package cachemap does. It is used from
// several goroutines.
type Imports interface {
	// Find returns the records of that name that have, for each input, one of the
	// links.
	Find(name digest.Digest, inputs [][]Link) []Record
	// Result returns the name of the newest result of records; "" if there is none.
	Result(records []Record) digest.Digest
	// Load fetches a result.
	Load(ctx context.Context, result digest.Digest) (*snapshot.Snapshot, error)
	// Failed is told of results that could not be fetched. The build goes on
	// without them.
	Failed(of *Vertex, err error)
}

// Record is a record of an imported cache.
type Record struct{ Cache, Index int }

// Link is what an input of a record may be.
type Link struct {
	Selector digest.Digest // of the input; "" is all
	Records  []Record
}
