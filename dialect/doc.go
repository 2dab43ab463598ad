// Package dialect describes Slipway's extensions of the Dockerfile language.
//
// A file opts in with a gate, the first line after the parser directives:
//
//	# syntax=docker.io/slipway/dockerfile:1
//	# slipway=1.0 strict network=none
//
// [Parse] reads the gate. [Features] is the table of all extensions, with the level at which a
// file may use each of them, and with its [Class]. A file without a gate is a plain Dockerfile:
// it uses no code of this package except for the hint that [Hint] adds to errors.
//
// The package also contains the small languages of the extensions, which need no plan:
// conditions ([ParseCondition]), maps ([Lookup]), patterns for optional files ([Optional]) and
// files of variables ([ParseVariables]). Package instructions attaches extensions to
// instructions, package plan evaluates them, and package eject prints the plain Dockerfile.
package dialect
