// Package builds generates random builds and runs each with our solver and with BuildKit, to
// find differences between the results.
//
// [Generate] creates a case from a seed and a number: a context, a Dockerfile, options, and the
// changes before a second and a third build. [Case.Text] returns the case in the format of
// package buildcase. If the two builders differ, [Shrink] reduces the case, and the test prints
// its text. To make such a text a permanent test, add it as a file to
// integration/daemon/testdata/solver.
//
// Two builders agree if they create equal layers, including all metadata, and equal configs, if
// they execute the same RUN steps, and if failing builds fail in the same step. excuses.go
// lists the few differences in behavior that BuildKit does not specify.
//
//	make differential-builds SEED=1 N=5000
//	make differential-builds ARGS='-runner chroot'
//	go test -tags integration ./integration/builds -seed 1 -only 17
package builds
