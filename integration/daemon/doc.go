// Package daemon builds Dockerfiles on a real builder, through our frontend
// image and through upstream's, and compares what comes out.
//
// testdata/image holds builds that succeed: the file tree of every layer, the
// config and the names of the steps must be equal. testdata/error holds builds
// that fail: the text that buildctl prints, source lines included, must be equal
// but for what cannot be. Each case is a txtar archive; case_test.go has the
// format.
//
// testdata/solver holds builds, some of which fail, that our own solver does as
// BuildKit does, as it does those of testdata/image: times of files are equal too.
// They have what BuildKit's own suite is about; testdata/upstream.txt says what of
// it they leave out.
//
// definitions_test.go has operations that no Dockerfile says, those of BuildKit's
// client tests among them, which the solver does in the same way too.
//
// The tests have build tag integration: they need Linux and root.
package daemon
