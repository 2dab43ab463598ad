// Package cachekeys compares our digests of operations and files with those of
// BuildKit's own code. It needs no daemon.
package cachekeys
