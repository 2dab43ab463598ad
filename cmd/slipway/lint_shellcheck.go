package main

import (
	"fmt"
	"os"

	"slipway/diag"
	"slipway/lint/shellcheck"
)

// lintChecker is the result of searching ShellCheck.
type lintChecker struct {
	checker *shellcheck.Checker // nil if the program does not exist
	err     error
}

// shellCheck returns the checker for a file, or nil if scripts are not checked with ShellCheck. A
// program that the command line names must exist.
func (r *lintRun) shellCheck(cfg *lintConfig) (*shellcheck.Checker, error) {
	mode := r.flags.shellCheck
	if mode == "" {
		mode = cfg.ShellCheck
	}
	if mode == "off" {
		return nil, nil
	}
	named := mode != "" && mode != "auto"
	if r.checker == nil {
		program := ""
		if named {
			program = mode
		}
		r.checker = &lintChecker{}
		r.checker.checker, r.checker.err = shellcheck.Open(program, func(text string) {
			fmt.Fprintf(os.Stderr, "slipway: warning: %s\n", diag.Block(text))
		})
		r.tellShellCheck()
	}
	if named && r.checker.err != nil {
		return nil, fmt.Errorf("--shellcheck: %w", r.checker.err)
	}
	return r.checker.checker, nil
}

// tellShellCheck prints with --verbose which program checks scripts.
func (r *lintRun) tellShellCheck() {
	switch {
	case !r.flags.verbose:
	case r.checker.checker == nil:
		fmt.Fprintln(os.Stderr, "slipway: ShellCheck: not found on PATH")
	default:
		fmt.Fprintf(os.Stderr, "slipway: ShellCheck: %s\n", r.checker.checker.Path())
	}
}
