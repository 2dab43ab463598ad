// Package cachemap computes the cache maps of operations exactly as BuildKit does. A cache
// map contains the digest of an operation, and for each input the files that the outputs
// depend on. The digest does not cover the inputs, which have cache keys of their own.
//
// The digests must be equal to BuildKit's digests (computed in solver/llbsolver/ops). If
// they differed, BuildKit and Slipway could not use each other's caches.
package cachemap
