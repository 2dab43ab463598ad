package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"slipway/diag"
	"slipway/format"
	"slipway/format/samebuild"
	"slipway/format/settings"
	"slipway/lint"
	"slipway/lint/rules"
	"slipway/lint/shellcheck"
	"slipway/lsp"
	"slipway/source"
)

func lspCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lsp",
		Short: "Serve an editor: findings, fixes, names and formatting of Dockerfiles",
		Long: `Serve an editor with the Language Server Protocol on standard input and output.

The server reports what slipway lint finds while you type, offers its fixes, and
formats documents as slipway fmt does. It follows, renames and completes the names
of stages and variables. It uses no network. The only program that it starts is
ShellCheck, if it is installed.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := lsp.Serve(cmd.Context(), stdio{}, lsp.Options{
				Version: version(), Log: os.Stderr, Settings: layoutFor, Format: samebuild.Format,
				Checks: newEditorChecks().of,
			})
			if errors.Is(err, lsp.ErrNoShutdown) {
				return reportedError{exitFailed}
			}
			return err
		},
	}
	cmd.Flags().Bool("stdio", true, "use standard input and output, which is the only choice")
	return cmd
}

// layoutFor returns the layout of the file with the given path. It reads the configuration files
// each time, because they may have changed.
func layoutFor(path string, defaults format.Options) (format.Options, error) {
	var r settings.Reader
	opt, _, err := r.Options(path, defaults)
	if err != nil {
		return opt, fmt.Errorf("configuration of the layout: %w", err)
	}
	return opt, nil
}

// listingAge is the age up to which the list of the files in a build context is used.
const listingAge = 2 * time.Second

// editorChecks returns the checks of slipway lint for open documents. Safe for concurrent use.
type editorChecks struct {
	base    *lint.Linter
	checker *shellcheck.Checker // nil if ShellCheck is not installed

	mu       sync.Mutex
	listings map[string]datedListing // by path of the Dockerfile
}

// datedListing is a list of the files of a context, and the time from which it is.
type datedListing struct {
	options lint.Options
	from    time.Time
}

func newEditorChecks() *editorChecks {
	e := &editorChecks{base: lint.New(rules.All(), lint.Settings{}), listings: map[string]datedListing{}}
	if c, err := shellcheck.Open("", func(text string) { fmt.Fprintf(os.Stderr, "slipway: warning: %s\n", diag.Block(text)) }); err == nil {
		e.checker = c
	}
	return e
}

// of returns the checks of the file with the given path and text, as slipway lint without flags
// has them. It reads the configuration each time, because it may have changed.
func (e *editorChecks) of(path string, f *source.File) (lsp.Checks, error) {
	r := &lintRun{flags: &lintFlags{}, base: e.base, configs: map[string]*lintConfig{}}
	cfg, err := r.config(filepath.Dir(path))
	if err != nil {
		return lsp.Checks{Linter: e.base}, err
	}
	opt := r.buildOptions(cfg, path, f, nil)
	if cfg.ShellCheck != "off" {
		opt.ShellCheck = e.checker
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.listings[path]; opt.Listing != nil && old.options.Listing != nil && time.Since(old.from) < listingAge {
		opt.Listing, opt.Ignore = old.options.Listing, old.options.Ignore
	} else {
		e.listings[path] = datedListing{opt, time.Now()}
	}
	return lsp.Checks{Linter: r.linterFor(cfg, path), Options: opt, Excluded: excluded(cfg.Exclude, cfg.Path, path)}, nil
}

// stdio is standard input and output as one connection.
type stdio struct{}

// Read implements [io.Reader].
func (stdio) Read(p []byte) (int, error) { return os.Stdin.Read(p) }

// Write implements [io.Writer].
func (stdio) Write(p []byte) (int, error) { return os.Stdout.Write(p) }

// Close implements [io.Closer].
func (stdio) Close() error { return os.Stdin.Close() }

var _ io.ReadWriteCloser = stdio{}
