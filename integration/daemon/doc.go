// Package daemon builds Dockerfiles with a real builder, through our frontend
// image and through upstream's, and compares the results.
//
// testdata/image contains builds that succeed: the file tree of every layer,
// the config and the names of the steps must be equal. testdata/error contains
// builds that fail: the output of buildctl, including source lines, must be
// equal except for random parts. Each case is a txtar archive; see
// case_test.go.
//
// testdata/solver contains builds, some of which fail, for which our own solver
// must equal BuildKit, including times of files. The same holds for
// testdata/image. They cover BuildKit's own test suite; testdata/upstream.txt
// lists the omitted tests.
//
// definitions_test.go contains operations that no Dockerfile can express, among
// them those of BuildKit's client tests, for which the solver must equal
// BuildKit, too.
//
// The tests have build tag integration: they need Linux and root.
package daemon
