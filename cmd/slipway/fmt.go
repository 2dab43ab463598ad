package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"slipway/diag"
	"slipway/format"
	"slipway/format/samebuild"
	"slipway/format/settings"
	"slipway/internal/regularfile"
	"slipway/lint/discover"
	"slipway/parser"
	"slipway/source"
)

// fmtFlags holds the flags of slipway fmt.
type fmtFlags struct {
	write, list, diff, check, verbose bool
	noConfig, shell                   bool
	config, stdinFilename             string
	indent, keywordCase, maxBlank     string

	reader  settings.Reader
	named   map[string]bool // the files that arguments name, unlike those found in directories
	differs bool            // whether the layout of a file differs
	faulty  bool            // whether a file is not a valid Dockerfile
	failed  bool            // whether a file could not be read, laid out or written
}

func fmtCommand() *cobra.Command {
	f := &fmtFlags{}
	cmd := &cobra.Command{
		Use:     "fmt [flags] [FILE|DIRECTORY|PATTERN|-]...",
		Aliases: []string{"format"},
		Short:   "Lay out Dockerfiles without changing what they build",
		Long: `Lay out Dockerfiles without changing what they build.

The layout changes the case of keywords, the white space between words, the
indentation of continued lines, empty lines and line ends. The commands of RUN,
CMD and ENTRYPOINT stay as they are, because their white space is part of the
build. Before a file is written, fmt plans the build of both versions: operations,
config and history of every stage are equal, so no build cache is lost.

With --shell, the scripts of these instructions are laid out, too. Their syntax
trees stay the same, but their cache keys change once.

Without a flag, the result for one file or for standard input (-) is printed.
Directories are searched for Dockerfiles; the default is the current directory.

The section fmt of .slipway.yaml and .editorconfig configure the layout. The
comments # fmt: off, # fmt: on and # fmt: skip switch it off.

Exit codes:
    0  done
    1  the layout of a file differs (--check, --diff), or a file is not valid
    2  the command line is wrong, or a file could not be read or written`,
		Example: `  slipway fmt -w .
  slipway fmt --check --diff .
  slipway fmt --stdin-filename Dockerfile - < Dockerfile`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	fs.BoolVarP(&f.write, "write", "w", false, "write the result to the files")
	fs.BoolVarP(&f.list, "list", "l", false, "print the names of files whose layout differs")
	fs.BoolVarP(&f.diff, "diff", "d", false, "print unified diffs")
	fs.BoolVar(&f.check, "check", false, "print the names of files whose layout differs, and exit with 1 if there are any")
	fs.BoolVar(&f.shell, "shell", false, "lay out the scripts of RUN, CMD, ENTRYPOINT and HEALTHCHECK, too, which changes their cache keys")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "print which configuration file applies, and why a script stays as it is")
	fs.StringVar(&f.stdinFilename, "stdin-filename", "Dockerfile", "`PATH` of standard input, for the configuration and for messages")
	fs.StringVarP(&f.config, "config", "c", "", "configuration `FILE` instead of the nearest .slipway.yaml")
	fs.BoolVar(&f.noConfig, "no-config", false, "ignore .slipway.yaml")
	fs.StringVar(&f.indent, "indent", "", "indentation of continued lines: a `NUMBER` of blanks, or tab (default 4)")
	fs.StringVar(&f.keywordCase, "keyword-case", "", "`CASE` of keywords: upper, lower or keep (default upper)")
	fs.StringVar(&f.maxBlank, "max-blank-lines", "", "maximum `NUMBER` of consecutive empty lines (default 1)")
	f.complete(cmd)
	return cmd
}

// complete registers the completions for the flags of cmd.
func (f *fmtFlags) complete(cmd *cobra.Command) {
	for name, values := range map[string][]string{
		"indent":          {"2", "4", "8", "tab"},
		"keyword-case":    {"upper", "lower", "keep"},
		"max-blank-lines": {"0", "1", "2"},
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// run lays out the files that the arguments name.
func (f *fmtFlags) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	if err := f.validate(args); err != nil {
		return usageError{err}
	}
	names, err := f.names(args)
	if err != nil {
		return usageError{err}
	}
	f.reader = settings.Reader{File: f.config, None: f.noConfig}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.file(ctx, name); err != nil {
			return err
		}
	}
	switch {
	case f.failed:
		return reportedError{exitUsage}
	case f.faulty, f.differs && (f.check || f.diff && !f.write):
		return reportedError{exitFailed}
	}
	return nil
}

// validate rejects contradictory flags and values.
func (f *fmtFlags) validate(args []string) error {
	stdin := slices.Contains(args, stdinArgument)
	switch {
	case f.check && f.write:
		return errors.New("--check and --write cannot be used together (--list --write prints the names)")
	case f.config != "" && f.noConfig:
		return errors.New("--config and --no-config cannot be used together")
	case stdin && f.write:
		return errors.New("--write: standard input cannot be written (leave out the flag to print the result)")
	}
	if _, err := f.options(format.Default()); err != nil {
		return err
	}
	return nil
}

// names returns the files that the arguments name. Several files, or a directory, are an error if
// the results would be printed.
func (f *fmtFlags) names(args []string) ([]string, error) {
	var list []string
	several := len(args) > 1
	f.named = map[string]bool{}
	for _, arg := range args {
		if arg == stdinArgument {
			list = append(list, arg)
			continue
		}
		info, err := os.Stat(arg)
		isDir := err == nil && info.IsDir()
		several = several || isDir
		found, err := discover.Files([]string{arg})
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("%s: no Dockerfile found", arg)
		}
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			f.named[name] = f.named[name] || !isDir
			if !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	if (several || len(list) > 1) && !f.write && !f.list && !f.diff && !f.check {
		return nil, errors.New("only one named file can be printed (use --write, --list, --diff or --check)")
	}
	return list, nil
}

// options applies the values of flags to opt.
func (f *fmtFlags) options(opt format.Options) (format.Options, error) {
	opt.Shell = opt.Shell || f.shell
	if f.verbose {
		opt.Refused = func(in *parser.Instruction, reason error) {
			at := in.Keyword.Range()
			fmt.Fprintf(os.Stderr, "%s:%d: %s\n", diag.Line(at.File.Name), at.Position().Line, diag.Line(reason.Error()))
		}
	}
	var err error
	set := func(flag, value string, parse func() error) {
		if err == nil && value != "" {
			if parseErr := parse(); parseErr != nil {
				err = fmt.Errorf("--%s: %w", flag, parseErr)
			}
		}
	}
	set("indent", f.indent, func() (err error) {
		opt.Indent, err = settings.ParseIndent(f.indent)
		return err
	})
	set("keyword-case", f.keywordCase, func() (err error) {
		opt.Keywords, err = settings.ParseKeywordCase(f.keywordCase)
		return err
	})
	set("max-blank-lines", f.maxBlank, func() (err error) {
		opt.MaxBlankLines, err = settings.ParseMaxBlankLines(f.maxBlank)
		return err
	})
	return opt, err
}

// file lays out one file. It prints errors about the file and returns an error only if no further
// file can be processed.
func (f *fmtFlags) file(ctx context.Context, name string) error {
	file, path, err := f.read(name)
	if err != nil {
		f.failed = true
		return f.report(err)
	}
	patterns, used, err := f.reader.Excluded(path)
	if err == nil && excluded(patterns, used, path) {
		return f.output(name, file, nil)
	}
	opt, used, err := f.reader.Options(path, format.Default())
	if err != nil {
		f.failed = true
		return f.report(err)
	}
	if f.verbose && used != "" {
		fmt.Fprintf(os.Stderr, "%s: configured by %s\n", diag.Line(path), diag.Line(used))
	}
	if opt, err = f.options(opt); err != nil {
		return usageError{err}
	}
	parsed, diags := parser.Parse(file)
	if name != stdinArgument && !f.named[name] && isOther(file, parsed) {
		if f.verbose {
			fmt.Fprintf(os.Stderr, "%s: is not a Dockerfile\n", diag.Line(name))
		}
		return nil
	}
	if err := diags.Err(); err != nil {
		f.faulty = true
		return f.report(err)
	}
	edits, err := samebuild.Format(ctx, parsed, opt)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		f.failed = true
		if err := f.report(err); err != nil {
			return err
		}
	}
	return f.output(name, file, edits)
}

// isOther reports whether a file that was found in a directory is not a Dockerfile, such as
// dockerfile.go. A Dockerfile has this name, or its first instruction is FROM or ARG and its keywords
// are known. If the file is invalid, f is nil.
func isOther(file *source.File, f *parser.File) bool {
	switch strings.ToLower(filepath.Base(file.Name)) {
	case "dockerfile", "containerfile":
		return false
	}
	if f == nil {
		return !startsBuild(file)
	}
	for i, in := range f.Instructions() {
		keyword := in.Keyword.String()
		if !format.IsKeyword(keyword) || i == 0 && !isFirst(keyword) {
			return true
		}
	}
	return false
}

// startsBuild reports whether the first line that is not a comment starts with FROM or ARG.
func startsBuild(file *source.File) bool {
	for line := range strings.Lines(string(file.Bytes)) {
		words := strings.Fields(line)
		if len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			return isFirst(words[0])
		}
	}
	return false
}

// isFirst reports whether a Dockerfile may start with the keyword.
func isFirst(keyword string) bool {
	return strings.EqualFold(keyword, "from") || strings.EqualFold(keyword, "arg")
}

// read reads the file with the given name, or standard input. The result path is the path for the
// configuration and for messages.
func (f *fmtFlags) read(name string) (file *source.File, path string, err error) {
	if name != stdinArgument {
		data, err := regularfile.Read(name)
		return source.NewFile(name, data), name, err
	}
	data, err := readAll(os.Stdin)
	return source.NewFile(f.stdinFilename, data), f.stdinFilename, err
}

// output prints or writes the result for a file.
func (f *fmtFlags) output(name string, file *source.File, edits []diag.Edit) error {
	if !f.write && !f.list && !f.diff && !f.check {
		_, err := os.Stdout.Write(diag.Apply(file, edits))
		return err
	}
	if len(edits) == 0 {
		return nil
	}
	f.differs = true
	if f.list || f.check && !f.diff {
		if _, err := fmt.Fprintln(textTo(os.Stdout), diag.Line(file.Name)); err != nil {
			return err
		}
	}
	if f.diff {
		if err := diag.Unified(textTo(os.Stdout), file, edits); err != nil {
			return err
		}
	}
	if !f.write {
		return nil
	}
	if err := replaceFile(name, file.Bytes, diag.Apply(file, edits)); err != nil {
		f.failed = true
		return f.report(err)
	}
	return nil
}

// report prints an error about a file.
func (f *fmtFlags) report(err error) error {
	var list diag.List
	var d *diag.Diagnostic
	switch {
	case errors.As(err, &list):
	case errors.As(err, &d):
		list = diag.List{d}
	default:
		_, err = fmt.Fprintln(os.Stderr, "slipway:", diag.Block(err.Error()))
		return err
	}
	return diag.Text(os.Stderr, list, diag.TextOptions{Color: isColored(os.Stderr)})
}
