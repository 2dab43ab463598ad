// Package checklist ties what docker/dockerfile does to the cases that show it.
//
// The list is testdata/checklist.txt: sections, statements below them, and
// below each statement the names of cases. Every statement has a case, every
// name is a case of the corpus, and every case is of a section. testdata/INDEX.md
// is the list for readers, with the titles of the cases, and COMPATIBILITY.md has
// a table of intended differences. UPDATE=1 go test writes both.
//
// Not here: whether the cases hold (integration/differential).
package checklist
