package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// callEject is the name of the subrequest that prints a plain Dockerfile.
const callEject = "frontend.eject"

func ejectCommand() *cobra.Command {
	f := &buildFlags{}
	cmd := &cobra.Command{
		Use:   "eject [flags] CONTEXT",
		Short: "Print a Dockerfile without extensions of Slipway",
		Long: `Print a Dockerfile without extensions of Slipway.

The printed Dockerfile builds the same image with docker/dockerfile. It is for the
given target platform and build arguments, because conditions depend on them. The
flags are those of slipway build.

The result has the same operations as the original, which the command checks.

Exit codes:
    0  printed
    1  an instruction has no equivalent, or the Dockerfile is invalid
    2  the command line is wrong`,
		Example: `  slipway eject . > Dockerfile.plain
  slipway eject --platform linux/arm64 --build-arg VERSION=2 .
  slipway eject . | hadolint -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("eject needs one CONTEXT, a directory, a URL or -, not %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("call") || cmd.Flags().Changed("check") {
				return usageError{fmt.Errorf("slipway eject is slipway build --call=eject, and takes no other call")}
			}
			f.opt.Context, f.call = args[0], "eject"
			return f.run(cmd.Context(), cmd.Flags())
		},
		ValidArgsFunction: completeDirs,
	}
	f.define(cmd.Flags())
	f.complete(cmd)
	return cmd
}

// printEjected prints a plain Dockerfile, or returns an error that lists the instructions
// without an equivalent.
func (f *buildFlags) printEjected(w io.Writer, res map[string][]byte) error {
	text := string(res["result.txt"])
	if status := string(res["result.statuscode"]); status != "" && status != "0" {
		return foundError{text}
	}
	_, err := io.WriteString(w, text)
	return err
}
