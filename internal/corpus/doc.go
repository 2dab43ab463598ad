// Package corpus builds the cases of testdata without a builder.
//
// A frontend sees the world through one interface, the gateway client. [Client]
// answers image configs from a table, serves files from the archive of the case,
// and records requests, warnings and results in a [Record]. [Run] builds a case
// with a whole frontend. [Open] returns what a plan of the case depends on, for
// tests of the packages that a frontend consists of.
//
// Not here: what is recorded in the archives (internal/golden and the packages
// that own the sections).
package corpus
