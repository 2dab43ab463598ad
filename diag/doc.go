// Package diag defines [Diagnostic], the common type of errors and warnings about a file,
// and renders diagnostics.
//
// A *Diagnostic is an error with an exact range. A function that stops at the first error
// returns a single *Diagnostic. A function that continues after an error returns a
// partial result and a [List].
//
// [Text] renders a list for users, with the affected lines and carets. [JSON] renders it
// for programs. [Lines] converts ranges to the line numbers that the frontend sends to
// clients.
//
// Package linter decides which warnings are enabled.
package diag
