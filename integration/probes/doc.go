//go:build linux

// Command probes tries in RUN steps what a step must not be able to do: with
// every runner of slipway build, and with a real buildkitd as the reference.
//
//	go run ./integration/probes [-run REGEXP] [-on COLUMN,...] [-v]
//
// It prints a table of privileges and fails if a runner gives a step a privilege
// that buildkitd does not give, unless exceptions.go has it with a reason. It
// also fails if an exception is no longer needed, and if the table in SECURITY.md
// differs. UPDATE=1 writes that table.
//
// The attempts are a static C program, testdata/probe, which is the only program
// in its images besides busybox. Jobs (jobs.go) are the builds that run it, rows
// (rows.go) collect its outcomes, columns (columns.go) are the builders.
//
// Attempts are harmless: they open but do not write, set what is already set, or
// act on a terminal, a block device, an SSH agent and a copy of slipway that the
// driver makes for them.
package main
