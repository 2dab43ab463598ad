// Package options reads the options of the frontend: what a client asks for
// with --build-arg, --target, --platform and the like, as the builder hands it
// on.
//
// The table in table.go names every key, so that they can be seen at once;
// [Parse] turns a map of them into typed values and says of a wrong one which
// key it is.
//
// Not here: reading contexts (frontend/inputs), what options mean for a stage
// (plan).
package options
