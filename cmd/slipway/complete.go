package main

import "github.com/spf13/cobra"

func completeDirs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func (f *buildFlags) complete(cmd *cobra.Command) {}
