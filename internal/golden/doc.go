// Package golden reads the corpus of test cases and compares results with the
// recorded ones.
//
// A case is a txtar archive in testdata: a Dockerfile with everything that a build
// of it reads, and its results. testdata/README.md describes headers, files and
// sections, and [Categories] lists the directories. Every package runs all cases
// and owns some sections of them: [Run], [Case.Record].
//
// Not here: what a build reads of a case through the gateway client
// (internal/corpus).
package golden
