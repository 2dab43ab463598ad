package solver

import (
	"context"
	"sync"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
)

// Cache stores the outputs of operations under the digests of their cache keys, see
// [Key]. Safe for concurrent use.
type Cache interface {
	// Get returns the entry that is stored under key, and reports whether it exists.
	Get(ctx context.Context, key digest.Digest) (CacheEntry, bool, error)
	// Put stores an entry under key, and replaces an earlier one.
	Put(ctx context.Context, key digest.Digest, origin Origin, entry CacheEntry) error
}

// CacheEntry contains the outputs of one operation in a [Cache].
type CacheEntry struct {
	// ID is the identity of the outputs, which is part of the cache keys of dependents. If
	// ID is "", the identity is the key of the entry. The identity differs from the key if
	// the operation ran without using the cache, because the key may have had other
	// outputs before.
	ID      digest.Digest
	Outputs []*snapshot.Snapshot

	missing map[int]bool // outputs that an imported cache lacks; nil in entries of a [Cache]
}

// Origin describes the operation that produced a [CacheEntry]. The command "slipway
// cache" shows the operation's Name. Pruning uses Source to distinguish fetched sources
// from the results of other operations.
type Origin struct {
	Name   string // name of the operation
	Source string // identifier of the source, such as "docker-image://alpine"; "" for other operations
}

// MemoryCache is a [Cache] in memory, for tests.
type MemoryCache struct {
	mu      sync.Mutex
	entries map[digest.Digest]CacheEntry
}

// NewMemoryCache returns a [MemoryCache] without entries.
func NewMemoryCache() *MemoryCache {
	return &MemoryCache{entries: map[digest.Digest]CacheEntry{}}
}

// Get implements [Cache].
func (c *MemoryCache) Get(_ context.Context, key digest.Digest) (CacheEntry, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	return e, ok, nil
}

// Put implements [Cache].
func (c *MemoryCache) Put(_ context.Context, key digest.Digest, _ Origin, entry CacheEntry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[key] = entry
	return nil
}
