// Package options parses the frontend options. A client sets them with --build-arg,
// --target, --platform and similar flags, and the builder passes them on to the frontend.
//
// table.go lists every key. [Parse] converts a map of options to typed values. Its errors
// name the invalid key.
//
// Package frontend/inputs reads the contexts, and package plan applies the options to
// stages.
package options
