package solver

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Cache keeps what operations made, by the digest of their [Key]. It is used
// from several goroutines.
type Cache interface {
	// Get returns the outputs that were put under a key, and whether there are
	// any.
	Get(ctx context.Context, key digest.Digest) ([]*Snapshot, bool, error)
	// Put keeps the outputs of an operation.
	Put(ctx context.Context, key digest.Digest, of Origin, out []*Snapshot) error
}

// Origin says what a result in the cache is of, for people and for pruning.
type Origin struct {
	Name   string // of the operation
	Source string // identifier of what was fetched; "" for what was made
}

// MemoryCache keeps results as long as it lives.
type MemoryCache struct {
	mu      sync.Mutex
	results map[digest.Digest][]*Snapshot
}

// NewMemoryCache returns an empty cache.
func NewMemoryCache() *MemoryCache {
	return &MemoryCache{results: map[digest.Digest][]*Snapshot{}}
}

// Get implements [Cache].
func (c *MemoryCache) Get(_ context.Context, key digest.Digest) ([]*Snapshot, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, ok := c.results[key]
	return out, ok, nil
}

// Put implements [Cache].
func (c *MemoryCache) Put(_ context.Context, key digest.Digest, _ Origin, out []*Snapshot) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results[key] = out
	return nil
}
