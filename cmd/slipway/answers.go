package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"slipway/builder"
	"slipway/frontend"
	"slipway/solver/export"
)

// describes reports whether the command prints a description of a build.
func (f *buildFlags) describes() bool {
	return f.opt.Call == frontend.RequestPlan || strings.HasPrefix(f.opt.Call, frontend.RequestGraph)
}

func planCommand() *cobra.Command {
	return answerCommand(&cobra.Command{
		Use:   "plan [flags] CONTEXT",
		Short: "List the steps of a build: what runs, what is cached, what each step uses",
		Long: `List the steps of a build without running them: number, instruction, location,
state of the cache, and what the step uses: network, mounts, secrets, files.

A step is cached, runs, runs always (--no-cache), or is unknown: it depends on
files that an earlier step will write, or a BuildKit does the build (--builder).
Give the flags of the build, because they can change its steps.`,
		Example: `  slipway plan .
  slipway plan --target test --build-arg VERSION=2 .
  slipway plan --format json . | jq -r '.stages[].steps[] | select(.network == "default") | .text'`,
	}, "plan")
}

func graphCommand() *cobra.Command {
	return answerCommand(&cobra.Command{
		Use:   "graph [flags] CONTEXT",
		Short: "Draw the graph of a build: its stages and what they read",
		Long: `Draw the graph of a build without running it: stages, what they are based on, and
what they copy or mount. The format html is a page in which each stage shows its
steps. slipway build --graph FILE adds the timeline of a finished build to it.`,
		Example: `  slipway graph .
  slipway graph --format html -o graph.html .
  slipway graph --format dot . | dot -Tpng > graph.png`,
	}, "graph")
}

// answerCommand completes a command that prints the answer to a call about the Dockerfile.
func answerCommand(cmd *cobra.Command, call string) *cobra.Command {
	f := &buildFlags{}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s needs one CONTEXT, a directory, a URL or -, not %d", call, len(args))}
		}
		return nil
	}
	var format string
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f.opt.Context, f.call = args[0], call
		if format != "" {
			if _, err := callFormat(call, format); err != nil {
				return usageError{fmt.Errorf("--format: %w", err)}
			}
			f.call += ",format=" + format
		}
		return f.run(cmd.Context(), cmd.Flags())
	}
	cmd.ValidArgsFunction = completeDirs
	f.defineInputs(cmd.Flags())
	formats := []string{"text", "json"}
	if call == "graph" {
		formats = graphFormats()
	}
	cmd.Flags().StringVar(&format, "format", "text", "format of the answer: "+strings.Join(formats, ", "))
	cmd.Flags().StringVarP(&f.answerFile, "output", "o", "", "write the answer to `FILE` (default standard output)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", completeFiles)
	for _, name := range []string{"tag", "label", "annotation"} { // accepted, because they are flags of the build
		_ = cmd.Flags().MarkHidden(name)
	}
	f.complete(cmd)
	return cmd
}

func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// printAnswer prints the answer to a call on standard output, or writes it to the file of --output.
func (f *buildFlags) printAnswer(ctx context.Context, res *builder.Result) error {
	if f.answerFile == "" {
		return f.answer(textTo(os.Stdout), res)
	}
	var b bytes.Buffer
	if err := f.answer(&b, res); err != nil {
		return err
	}
	if err := export.Write(ctx, f.answerFile, b.Bytes()); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	return nil
}
