// Package golden reads the corpus, the test cases in testdata, and compares test results with
// recorded results.
//
// A case is a txtar archive: a Dockerfile, all inputs of its build, and the expected results.
// The file testdata/README.md describes headers, files and sections, and [Categories] lists
// the directories. Every package of the frontend runs all cases and owns some of their
// sections ([Run], [Case.Record]).
//
// Package corpus serves a case to a build through a gateway client.
package golden
