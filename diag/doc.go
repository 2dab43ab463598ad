// Package diag holds the one form that errors and warnings about a file have:
// a [Diagnostic] with the exact range it is about, and its renderings.
//
// A *Diagnostic is an error, so functions that can only fail return one.
// Passes that go on after a fault return their value, usable as far as it
// goes, and a [List].
//
// [Text] writes a list for people, with the lines it is about and a caret,
// [JSON] for programs; [Lines] turns ranges into the line numbers that clients
// of the frontend are told.
//
// Not here: which diagnostics there are (each package words its own), whether
// a warning is wanted (linter).
package diag
