package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"slipway/format"
	"slipway/format/samebuild"
	"slipway/format/settings"
	"slipway/lsp"
)

func lspCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lsp",
		Short: "Serve an editor: diagnostics and formatting of Dockerfiles",
		Long: `Serve an editor with the Language Server Protocol on standard input and output.

The server reports errors and BuildKit's build checks while you type, and formats
documents as slipway fmt does. It uses no network and runs no processes.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := lsp.Serve(cmd.Context(), stdio{}, lsp.Options{
				Version: version(), Log: os.Stderr, Settings: layoutFor, Format: samebuild.Format,
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

// stdio is standard input and output as one connection.
type stdio struct{}

// Read implements [io.Reader].
func (stdio) Read(p []byte) (int, error) { return os.Stdin.Read(p) }

// Write implements [io.Writer].
func (stdio) Write(p []byte) (int, error) { return os.Stdout.Write(p) }

// Close implements [io.Closer].
func (stdio) Close() error { return os.Stdin.Close() }

var _ io.ReadWriteCloser = stdio{}
