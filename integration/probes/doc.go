//go:build linux

// Command probes runs RUN steps that attempt operations a step must not be able to do.
// It runs them with every runner of slipway build, and with a real buildkitd as the
// reference.
//
//	go run ./integration/probes [-run REGEXP] [-on COLUMN,...] [-v]
//
// It prints a table of privileges. It fails if a runner gives a step a privilege that
// buildkitd does not give, unless exceptions.go lists it with a reason. It also fails
// if an exception is no longer needed, or if the table in SECURITY.md differs. UPDATE=1
// writes that table.
//
// The attempts are a static C program, testdata/probe, which is the only program in its
// images apart from busybox. Jobs (jobs.go) are the builds that run it, rows (rows.go)
// group its outcomes, and columns (columns.go) are the builders.
//
// The attempts are harmless. They open files without writing to them, or set values
// that are already set. Others act on a terminal, a block device, an SSH agent and a
// copy of slipway that the driver creates for them.
package main
