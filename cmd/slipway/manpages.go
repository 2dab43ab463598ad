//go:build manpages

package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// releaseCommands returns the command that writes the manual pages. It is not part of the
// released program, which would have to contain the renderer.
func releaseCommands() []*cobra.Command {
	var at int64
	cmd := &cobra.Command{
		Use:    "manpages DIR",
		Short:  "Write the manual pages to a directory",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			plainUsage(root)
			root.DisableAutoGenTag = true
			date := time.Unix(at, 0).UTC()
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "slipway " + version(), Manual: "Slipway", Date: &date}, args[0])
		},
	}
	cmd.Flags().Int64Var(&at, "time", 0, "Unix `TIME` of the pages")
	return []*cobra.Command{cmd}
}
