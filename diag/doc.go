// Package diag defines [Diagnostic], the common type of errors and warnings about a file,
// and renders diagnostics.
//
// A *Diagnostic is an error with an exact range. Functions that can only fail return one.
// Passes that continue after an error return a partial value and a [List].
//
// [Text] renders a list for users, with the affected lines and carets. [JSON] renders it
// for programs. [Lines] converts ranges to the line numbers that the frontend sends to
// clients.
//
// Each package words its own diagnostics. Package linter decides which warnings are
// enabled.
package diag
