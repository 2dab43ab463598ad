// Package builds generates builds at random and does each with our solver and
// with BuildKit, to find where the results differ.
//
// [Generate] makes a case from a seed and a number: a context, a Dockerfile,
// options, and what changes before a second and a third build. [Case.Text]
// writes it in the format of package buildcase, which is what runs, and what is
// printed if the two builders disagree, as small as [Shrink] makes it. Such a
// text becomes a test as a file of integration/daemon/testdata/solver.
//
// Two builders agree if the layers are equal with all metadata, the configs are
// equal, the same RUN steps ran in each build, and if a build fails, both fail in
// the same step. excuses.go lists the few places where BuildKit itself makes no
// promise.
//
//	make differential-builds SEED=1 N=5000
//	go test -tags integration ./integration/builds -seed 1 -only 17
package builds
