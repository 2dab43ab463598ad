// Package differential compares the results of our frontend with those of
// docker/dockerfile for the corpus.
//
// [Run] builds a case with one frontend, without a builder (internal/corpus),
// and records requests, warnings and results. [Compare] returns the differences
// between two records by [Kind], and [Judge] compares the whole corpus.
//
// [Kinds] lists the aspects that must be equal. The header "differs: kind: why"
// of a case excuses an intended difference. An unneeded excuse fails the run,
// as does a difference without an excuse.
//
// docker/dockerfile is not entirely deterministic: ids of progress groups are
// random (only their sharing is compared), and some orders follow Go maps. If
// the frontends differ, upstream runs several more times, and our result is
// correct if it equals any of upstream's.
//
// Out of scope: executing the operations with a real builder
// (integration/daemon).
package differential
