// Package cachemap computes the cache maps of operations exactly as BuildKit does. A cache
// map contains the digest of an operation, and for each input the files that the outputs
// depend on. The digest does not cover the inputs, which have cache keys of their own.
//
// Digests must be equal to those in BuildKit (solver/llbsolver/ops). Otherwise, BuildKit
// and Slipway could not use each other's caches.
package cachemap
