// Package cachekeys checks that our digests of operations and files equal BuildKit's. The
// expected digests come from BuildKit's own code, so no daemon is needed.
package cachekeys
