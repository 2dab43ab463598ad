// Package checklist links statements about docker/dockerfile to the test cases that show them.
//
// The checklist, testdata/checklist.txt, has sections. A section contains statements, each
// with the names of its cases. Every statement must have a case, every name must be a case of
// the corpus, and every case must belong to a section.
//
// Two documents are generated from the checklist and the corpus: testdata/INDEX.md lists the
// statements with the titles of their cases, and COMPATIBILITY.md has a table of the intended
// differences. The command UPDATE=1 go test rewrites both documents.
//
// integration/differential checks that the cases pass.
package checklist
