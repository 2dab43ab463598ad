package solver

import (
	"context"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/device"
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

	// Shared is shared by concurrent jobs with the same Cache, so that they run equal
	// operations once. If it is nil, each job runs its own operations.
	Shared *Shared

	// Parallel is the maximum number of operations that run concurrently. Values below 1
	// mean 1.
	Parallel int
	// Now returns the current time, for new files and events.
	Now func() time.Time
	// Events receives events, one at a time. If it is nil, they are dropped.
	Events func(Event)
	// Output limits what a process prints. If it is nil, the limits are BuildKit's
	// defaults: 2 MiB, and 200 KiB per second.
	Output *OutputLimit
	// Insecure permits RUN steps with all privileges (the entitlement
	// security.insecure). HostNetwork permits RUN steps in the network namespace of the
	// host (the entitlement network.host).
	Insecure, HostNetwork bool
	// Devices returns what a RUN step needs to use CDI devices of this machine. It returns an
	// error if a device does not exist or is not allowed. If Devices is nil, there are no devices.
	Devices func([]*pb.CDIDevice) (*device.Edits, error)
	// Measure is called for each RUN step whose processes have a version 2 control group of their
	// own, with the digest of its operation, see [runner.Sandbox]. If it is nil, steps get no groups
	// for this purpose.
	Measure func(operation digest.Digest, group string) (end func())
	// NewOp returns the implementation of the operation of a vertex. If NewOp is nil,
	// operations behave as defined by LLB. Tests of the scheduler set it to run operations
	// that need no files.
	NewOp func(*Vertex) Op
}

// OutputLimit limits how much output of a RUN step is sent as events. The limits apply
// to standard output and to standard error separately. A negative value means unlimited.
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

// Source is content from outside the build, pinned to one version: an image by digest, a
// git repository by commit.
type Source interface {
	// Digest returns a digest that covers the content.
	Digest() digest.Digest
	// Fetch returns the content. It may download it.
	Fetch(ctx context.Context) (*snapshot.Snapshot, error)
}

// NamedSource is a [Source] that BuildKit identifies by a cache key in exported caches.
type NamedSource interface {
	Source
	// CacheKey returns BuildKit's cache key of the source. For an image, it covers the
	// resolved digest and the platform.
	CacheKey() (string, error)
}

// Mounts provides RUN steps with the mounts whose content is not a snapshot: cache
// mounts, secrets and SSH agents.
type Mounts interface {
	// CacheName returns the name of the directory that a cache mount uses. Mounts with
	// equal names share a directory. A directory starts as a copy of the snapshot from,
	// which may be nil, so mounts with the same id but different snapshots have different
	// names.
	CacheName(id string, from *snapshot.Snapshot) string
	// Cache returns the directory of a cache mount. The directory is exclusive to the
	// caller unless the sharing mode is pb.CacheSharingOpt_SHARED. The caller must call
	// release after the last use.
	Cache(ctx context.Context, id string, sharing pb.CacheSharingOpt, from *snapshot.Snapshot) (dir string, release func(), err error)
	// Reset discards the cache mounts with the given ids. Later mounts start with a new
	// directory.
	Reset(ids []string) error
	// Secret returns the content of a secret, and reports whether the secret exists.
	Secret(ctx context.Context, id string) (data []byte, ok bool, err error)
	// Agent returns the path of the socket of an SSH agent, and reports whether the
	// agent exists. The id "" means the default agent.
	Agent(ctx context.Context, id string) (socket string, ok bool, err error)
}

// Imports looks up results in imported caches, which Slipway or BuildKit has exported.
// Package cachemap computes the cache keys to look up. Safe for concurrent use.
type Imports interface {
	// Empty reports whether no cache is imported. Caches may be added later.
	Empty() bool
	// Find returns the records for the cache key name. A record matches only if, for each
	// input, it is linked to a record of one of the given links.
	Find(name digest.Digest, inputs [][]Link) []Record
	// Result returns the digest of the newest result of the records, or "" if they have
	// no result.
	Result(records []Record) digest.Digest
	// Contents returns the cache keys of the records without inputs to which an input of the
	// records is linked: the content that the input had when the cache was exported.
	Contents(records []Record, input int) []digest.Digest
	// Load fetches the result with the given digest.
	Load(ctx context.Context, result digest.Digest) (*snapshot.Snapshot, error)
	// Failed is called with the error if a result of a vertex could not be fetched. The
	// build continues without this result.
	Failed(of *Vertex, err error)
}

// Record identifies a record of an imported cache: the index of the cache among all
// imported caches, and the index of the record in it.
type Record struct{ Cache, Index int }

// Link lists records of imported caches for one input of an operation. They are
// alternatives: each of them matches the input.
type Link struct {
	Selector digest.Digest // selector of the input; "" selects all of it
	Records  []Record
}
