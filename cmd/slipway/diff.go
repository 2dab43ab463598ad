package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/spf13/cobra"

	"slipway/answers"
	"slipway/diag"
	"slipway/solver/export"
	"slipway/solver/runner/namespace"
)

func diffCommand() *cobra.Command {
	f := &buildFlags{}
	var format string
	cmd := &cobra.Command{
		Use:   "diff [flags] OLD NEW",
		Short: "List the steps that differ between two builds",
		Long: `List the steps that differ between two builds, and those that are rebuilt because
of them. Nothing runs.

OLD and NEW are each a directory, a Dockerfile, the URL of a git repository, or a
revision of the git repository here: REVISION, REVISION:DIRECTORY or
REVISION:DOCKERFILE, as in git show. A revision means the current directory in it.
It has neither .git nor files that git ignores.

  ~  the step itself has changed        +  new
  >  rebuilt because of another step    -  gone

Exit codes:
    0  the builds are equal
    1  they differ, or one of them is invalid
    2  the command line is wrong`,
		Example: `  slipway diff HEAD .
  slipway diff --target test v1.2 main
  slipway diff Dockerfile Dockerfile.new`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("diff needs two builds, OLD and NEW, not %d", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := callFormat("diff", format); err != nil {
				return usageError{fmt.Errorf("--format: %w", err)}
			}
			return f.diff(cmd.Context(), cmd.Flags(), args[0], args[1], format)
		},
	}
	f.defineInputs(cmd.Flags())
	fs := cmd.Flags()
	fs.Lookup("file").Usage = "Dockerfile: `PATH` relative to OLD and NEW"
	fs.StringVar(&format, "format", "text", "format of the answer: text, json")
	fs.StringVarP(&f.answerFile, "output", "o", "", "write the answer to `FILE` (default standard output)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("output", completeFiles)
	for _, name := range []string{"tag", "label", "annotation"} { // accepted, because they are flags of the build
		_ = fs.MarkHidden(name)
	}
	f.complete(cmd)
	return cmd
}

// diff prints the differences between the builds was and is. If there are any, it returns a
// foundError.
func (f *buildFlags) diff(ctx context.Context, given flagSet, was, is, format string) error {
	f.opt.Context, f.call = ".", "plan"
	if err := f.parse(given); err != nil {
		return usageError{err}
	}
	if f.opt.Builder == nil && usesNamespaces(&f.opt) {
		// Cache keys depend on how steps run. Enter may start the program again.
		if err := namespace.Enter(); err != nil && (f.opt.Runner == "namespace" || f.opt.Runner == "oci") {
			return err
		}
	}
	if err := f.readInputs(ctx); err != nil {
		return usageError{err}
	}
	tmp, err := os.MkdirTemp("", "slipway-diff-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	var plans [2]*answers.Plan
	for i, name := range []string{was, is} {
		o, err := findOperand(ctx, name, f.opt.File, filepath.Join(tmp, fmt.Sprint(i)))
		if err != nil {
			return usageError{err}
		}
		if plans[i], err = f.planOf(ctx, o); err != nil {
			return err
		}
	}
	return f.printDiff(ctx, answers.Compare(plans[0], plans[1]), format)
}

// planOf describes a build with the flags of f.
func (f *buildFlags) planOf(ctx context.Context, o *operand) (*answers.Plan, error) {
	one := *f
	one.opt.Context, one.opt.File, one.opt.ShowPath = o.context, o.file, o.show
	res, _, err := one.build(ctx, func(*client.SolveStatus) {})
	if err != nil {
		return nil, o.named(err)
	}
	p := &answers.Plan{}
	if err := json.Unmarshal(res.Answer["result.json"], p); err != nil {
		return nil, fmt.Errorf("%s: answer of the frontend: %w", o.name, err)
	}
	return p, nil
}

// show replaces the name of the temporary directory in a text by the revision that it contains.
func (o *operand) show(text string) string {
	if o.temporary == "" {
		return text
	}
	return strings.ReplaceAll(text, o.temporary+string(filepath.Separator), o.revision+":")
}

// named returns an error that does not contain the name of the temporary directory. Errors with a
// location use the option ShowPath.
func (o *operand) named(err error) error {
	var d *diag.Diagnostic
	if text := o.show(err.Error()); text != err.Error() && !errors.As(err, &d) {
		return errors.New(text)
	}
	return err
}

// printDiff prints the differences between two builds.
func (f *buildFlags) printDiff(ctx context.Context, d *answers.Diff, format string) error {
	w := &bytes.Buffer{}
	if format == "json" {
		data, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(w, string(data))
	} else if err := d.WriteText(w); err != nil {
		return err
	}
	if f.answerFile != "" {
		if err := export.Write(ctx, f.answerFile, w.Bytes()); err != nil {
			return fmt.Errorf("--output: %w", err)
		}
	} else if _, err := textTo(os.Stdout).Write(w.Bytes()); err != nil {
		return err
	}
	if d.Differs() {
		return foundError{}
	}
	return nil
}
