// Package golden reads the test cases in testdata, the corpus, and compares results with
// recorded ones.
//
// A case is a txtar archive: a Dockerfile, all inputs of its build, and the expected results.
// testdata/README.md describes headers, files and sections, and [Categories] lists the
// directories. Every package of the frontend runs all cases and owns some of their sections
// ([Run], [Case.Record]).
//
// Package corpus serves a case to a build through a gateway client.
package golden
