// Package shellcheck runs the program ShellCheck on the scripts of a Dockerfile.
//
// [Open] finds the program, and [Checker.Check] returns its comments with their ranges in the
// Dockerfile. A [Checker] starts one process for many scripts of the same language, and reuses
// the comments about a script that it has checked before. It bounds the time and the output of
// each process.
package shellcheck
