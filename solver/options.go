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

	// Parallel is the maximum number of concurrent operations. 0 means one.
	Parallel int
	// Now returns the current time, for new files and events.
	Now func() time.Time
	// Events receives events, one at a time. If it is nil, they are dropped.
	Events func(Event)
	// Output limits what a process prints. If it is nil, the limits are BuildKit's
	// defaults: 2 MiB, and 200 KiB per second.
	Output *OutputLimit
	// Insecure permits processes with all privileges. HostNetwork permits processes in
	// the network namespace of the host.
	Insecure, HostNetwork bool
	// NewOp returns the operation of a vertex. If it is nil, operations behave as LLB
	// defines. Tests of the scheduler replace it.
	NewOp func(*Vertex) Op
}

// OutputLimit limits the output of a RUN step that becomes events. Standard output and
// standard error have separate limits. A negative value means unlimited.
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

// Source is a source that is pinned to its content.
type Source interface {
	// Digest returns a digest that covers the content.
	Digest() digest.Digest
	// Fetch returns the content.
	Fetch(ctx context.Context) (*snapshot.Snapshot, error)
}

// NamedSource is a [Source] that has a cache key in caches exported by BuildKit.
type NamedSource interface {
	Source
	CacheKey() (string, error)
}

// Mounts provides the mounts of processes that are not snapshots: cache mounts, secrets
// and SSH agents.
type Mounts interface {
	// CacheName returns the name of the cache of a cache mount. Mounts with equal names
	// share a cache. Caches that start as copies of different snapshots have different
	// names, even if their ids are equal.
	CacheName(id string, from *snapshot.Snapshot) string
	// Cache returns the directory of a cache. It is exclusive to this process unless
	// sharing is shared. The caller must call release after the last use.
	Cache(ctx context.Context, id string, sharing pb.CacheSharingOpt, from *snapshot.Snapshot) (dir string, release func(), err error)
	// Reset discards the caches with these ids: later mounts get new ones.
	Reset(ids []string) error
	// Secret returns a secret, and reports whether it exists.
	Secret(ctx context.Context, id string) (data []byte, ok bool, err error)
	// Agent returns the path of the socket of an SSH agent, and reports whether the
	// agent exists. The id "" is the default agent.
	Agent(ctx context.Context, id string) (socket string, ok bool, err error)
}

// Imports looks up imported caches, which this program or BuildKit has exported. Their
// records have keys of package cachemap. Safe for concurrent use.
type Imports interface {
	// Find returns the records with this key that have, for each input, one of the given
	// links.
	Find(name digest.Digest, inputs [][]Link) []Record
	// Result returns the digest of the newest result of the records. It is "" if they
	// have no result.
	Result(records []Record) digest.Digest
	// Load fetches a result.
	Load(ctx context.Context, result digest.Digest) (*snapshot.Snapshot, error)
	// Failed reports a result that could not be fetched. The build continues without it.
	Failed(of *Vertex, err error)
}

// Record is a record of an imported cache.
type Record struct{ Cache, Index int }

// Link is a set of records that may be an input of another record.
type Link struct {
	Selector digest.Digest // selector of the input; "" selects all of it
	Records  []Record
}
