// Package options parses the frontend options, which a client sets with
// --build-arg, --target, --platform and similar flags and the builder passes
// on.
//
// The table in table.go lists every key. [Parse] converts a map of options to
// typed values; its errors name the invalid key.
//
// Out of scope: reading contexts (package frontend/inputs), and the effect of
// options on stages (package plan).
package options
