// Package checklist links the behavior of docker/dockerfile to the cases that
// show it.
//
// The checklist is testdata/checklist.txt: sections, their statements, and for
// each statement the names of cases. Every statement has a case, every name is
// a case of the corpus, and every case is in a section. testdata/INDEX.md is a
// rendering of the checklist with the titles of the cases. COMPATIBILITY.md has
// a table of the intended differences. UPDATE=1 go test rewrites both.
//
// Out of scope: whether the cases pass (integration/differential).
package checklist
