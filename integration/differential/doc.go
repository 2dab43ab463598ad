// Package differential compares what our frontend makes of the corpus with what
// docker/dockerfile makes of it.
//
// A frontend sees the world through one interface, the gateway client. Here it
// gets one without a builder behind it (client): it answers image configs from
// a table, serves files from the archive of the case, and records what the
// frontend asks for, warns of and returns (a [Record]). [Run] does this for one
// frontend, [Compare] says in which [Kind] of thing two records differ, and
// [Judge] adds up over the corpus.
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
