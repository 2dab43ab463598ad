//go:build linux

// Command probes runs RUN steps that attempt forbidden operations, with every runner of
// slipway build, and with a real buildkitd as the reference.
//
//	go run ./integration/probes [-run REGEXP] [-on COLUMN,...] [-v]
//
// It prints a table of privileges. It fails if a runner gives a step a privilege that
// buildkitd does not give, unless exceptions.go lists the privilege with a reason. It also
// fails if an exception is no longer needed, or if a cell of the table in SECURITY.md shows
// fewer privileges than the printed table. With UPDATE=1, it writes the table in SECURITY.md.
//
// A static C program, testdata/probe, makes the attempts. Apart from busybox, it is the only
// program in the images. Jobs (jobs.go) are builds that run the program, columns (columns.go)
// are builders, and rows (rows.go) are kinds of privileges.
//
// The attempts are harmless. Most attempts open files without writing to them, or set values
// that are already set. All other attempts act on a terminal, a block device, an SSH agent and
// a copy of slipway that exist only for the probes.
package main
