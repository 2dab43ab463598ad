// Package cachemap computes the cache maps of operations as BuildKit does: the digest of
// an operation, and for each input the part that the outputs depend on. Cache maps must
// be byte for byte equal to those in BuildKit (solver/llbsolver/ops). The digest does not
// cover the inputs, which have their own keys.
package cachemap
