// Package corpus builds the test cases in testdata without a builder.
//
// A frontend accesses everything through one interface, the gateway client. [Client]
// implements this interface. It answers requests for image configs from a table, serves
// files from the case, and records requests, warnings and results in a [Record]. [Run]
// builds a case with a complete frontend. [Open] returns the inputs of a plan, for tests of
// the packages that a frontend consists of.
//
// Package golden parses the cases and compares results with recorded results.
package corpus
