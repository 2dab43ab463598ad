package solver

import (
	"context"
	"sync"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
)

// Cache stores what operations made, by the digest of their [Key]. It is safe
// for concurrent use.
type Cache interface {
	// Get returns the result that was stored under a key, and reports whether one
	// exists.
	Get(ctx context.Context, key digest.Digest) (CacheEntry, bool, error)
	// Put stores the result of an operation.
	Put(ctx context.Context, key digest.Digest, of Origin, result CacheEntry) error
}

// CacheEntry is what a [Cache] stores under a key.
type CacheEntry struct {
	// ID is the identity of the result, which the keys of dependent operations
	// contain. If it is "", the identity is the key. It differs for results that
	// ignored the cache: a key may have had another result before.
	ID      digest.Digest
	Outputs []*snapshot.Snapshot
}

// Origin describes what a result in the cache was made by, for users and for
// pruning.
type Origin struct {
	Name   string // of the operation
	Source string // identifier of what was fetched; "" for what was made
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
