// Package daemon builds Dockerfiles with a real builder, through our frontend image and through
// upstream's, and compares the results. Each test case is a txtar archive in the format of
// package buildcase:
//
//   - testdata/image contains builds that succeed. The files of every layer, the config and the
//     step names must be equal.
//   - testdata/error contains builds that fail. The output of buildctl, including source lines,
//     must be equal except for random parts.
//   - testdata/solver contains builds for our own solver, some of which fail. The solver's
//     results must equal BuildKit's, including file times, also for testdata/image.
//
// Together, the cases cover BuildKit's own test suite. testdata/upstream.txt lists the omitted
// tests, with reasons.
//
// definitions_test.go contains LLB operations that no Dockerfile can express, for example those
// in BuildKit's client tests. The results of our solver must equal BuildKit's for them, too.
//
// The tests have build tag integration: they need Linux and root.
package daemon
