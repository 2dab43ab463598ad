// Package differential compares our frontend with docker/dockerfile on all test cases in
// testdata, the corpus.
//
// [Run] builds a case with one frontend and a fake builder (internal/corpus). Run records
// requests, warnings and results. [Compare] returns the differences between two records by
// [Kind]. [Judge] compares the whole corpus.
//
// [Kinds] lists the aspects that must be equal. The header "differs: kind: why" of a case
// excuses an intended difference. A run fails for a difference without an excuse, and for an
// excuse without a difference.
//
// docker/dockerfile is not entirely deterministic. It chooses random ids for progress groups,
// so Compare only checks which operations share an id. It also iterates over Go maps, so the
// order of some results is random. If the frontends differ, upstream therefore runs several
// more times. Our result is correct if it equals one of upstream's results.
//
// This package compares operations without executing them. Package integration/daemon executes
// them with a real builder.
package differential
