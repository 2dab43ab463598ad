package solver

import (
	"context"
	"sync"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
)

// Cache stores the outputs of operations, by the digest of their [Key]. Safe for
// concurrent use.
type Cache interface {
	// Get returns the result that is stored under key, and reports whether it exists.
	Get(ctx context.Context, key digest.Digest) (CacheEntry, bool, error)
	// Put stores the result of an operation.
	Put(ctx context.Context, key digest.Digest, of Origin, result CacheEntry) error
}

// CacheEntry is a result in a [Cache].
type CacheEntry struct {
	// ID is the identity of the result, which is part of the keys of dependents. If it is
	// "", the identity is the key. The identity differs from the key if the operation ran
	// without using the cache, because the key may have had another result before.
	ID      digest.Digest
	Outputs []*snapshot.Snapshot
}

// Origin describes the operation that made a cached result, for users and for pruning.
type Origin struct {
	Name   string // of the operation
	Source string // identifier of the source; "" if the result was not fetched
}

// MemoryCache is a [Cache] in memory.
type MemoryCache struct {
	mu      sync.Mutex
	results map[digest.Digest]CacheEntry
}

// NewMemoryCache returns an empty cache.
func NewMemoryCache() *MemoryCache {
	return &MemoryCache{results: map[digest.Digest]CacheEntry{}}
}

// Get implements [Cache].
func (c *MemoryCache) Get(_ context.Context, key digest.Digest) (CacheEntry, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.results[key]
	return r, ok, nil
}

// Put implements [Cache].
func (c *MemoryCache) Put(_ context.Context, key digest.Digest, _ Origin, result CacheEntry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results[key] = result
	return nil
}
