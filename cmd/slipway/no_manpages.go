//go:build !manpages

package main

import "github.com/spf13/cobra"

// releaseCommands returns the commands that only make a release. This program has none: they
// are compiled with the build tag manpages.
func releaseCommands() []*cobra.Command { return nil }
