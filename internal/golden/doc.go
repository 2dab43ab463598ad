// Package golden reads the corpus of test cases and compares results with the
// recorded ones.
//
// A case is a txtar archive in testdata: a Dockerfile, all inputs of its build,
// and the expected results. testdata/README.md describes headers, files and
// sections, and [Categories] lists the directories. Every package runs all cases
// and owns some of their sections ([Run], [Case.Record]).
//
// Out of scope: serving a case to a build through the gateway client
// (internal/corpus).
package golden
