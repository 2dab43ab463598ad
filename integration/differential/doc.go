// Package differential compares what our frontend makes of the corpus with what
// docker/dockerfile makes of it.
//
// [Run] builds a case with one frontend, without a builder (internal/corpus),
// and records requests, warnings and results. [Compare] says in which [Kind] of
// thing two records differ, and [Judge] adds up over the corpus.
//
// What must be equal is listed in [Kinds]. An intended difference is excused
// in the header of its case, "differs: kind: why"; an excuse that is not needed
// any more fails the run like a difference that is not excused.
//
// docker/dockerfile is not deterministic everywhere: ids of progress groups are
// random (they are compared by who shares one with whom), and a few orders
// follow Go's maps. Where the frontends differ, upstream runs a few times more,
// and ours is right if it equals any of its results.
//
// Not here: what a real builder makes of the operations (the daemon tests).
package differential
