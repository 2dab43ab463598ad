// Package cachemap says what operations are called in BuildKit's caches: the
// digest of what an operation does, and of each input what of it matters. They
// have to agree byte by byte with the cache maps of BuildKit's operations
// (solver/llbsolver/ops). Inputs are no part of the digest: they have keys of
// their own.
package cachemap
