// Package corpus builds the cases of testdata without a builder.
//
// A frontend accesses everything through one interface, the gateway client.
// [Client] answers requests for image configs from a table, serves files from
// the archive of the case, and records requests, warnings and results in a
// [Record]. [Run] builds a case with a complete frontend. [Open] returns the
// inputs of planning, for tests of the packages that a frontend consists of.
//
// Out of scope: the recorded sections (internal/golden and the packages that
// own them).
package corpus
