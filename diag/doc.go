// Package diag defines the common form of errors and warnings about a file: a
// [Diagnostic] with its exact range, and its renderings.
//
// A *Diagnostic is an error, so functions that can only fail return one. Passes
// that continue after an error return a partial value and a [List].
//
// [Text] renders a list for users, with the affected lines and a caret; [JSON]
// renders it for programs. [Lines] converts ranges to the line numbers that are
// sent to clients of the frontend.
//
// Out of scope: the diagnostics themselves (each package words its own), and
// enabling warnings (package linter).
package diag
