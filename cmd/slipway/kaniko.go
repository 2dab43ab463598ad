package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// kanikoConfig is the directory of the Docker config in kaniko's image. Jobs write credentials to it.
const kanikoConfig = "/kaniko/.docker"

// kanikoCommand returns the command slipway kaniko.
func kanikoCommand() *cobra.Command {
	f := &buildFlags{}
	k := &kanikoBuild{kanikoValues: kanikoValues{}, env: os.LookupEnv}
	build := pflag.NewFlagSet("build", pflag.ContinueOnError)
	f.define(build)
	cmd := &cobra.Command{
		Use:   "kaniko [flags]",
		Short: "Build an image with the flags of kaniko's executor",
		Long: `Build an image with the flags of kaniko 1.24, so that a job that runs
/kaniko/executor runs slipway kaniko instead.

A flag that has no meaning causes a warning, and one that cannot be mapped to
slipway build is an error. docs/kaniko.md lists all flags.`,
		Example: `  slipway kaniko --context dir:///src --dockerfile Dockerfile --destination registry.example/app:1
  slipway kaniko --context tar://context.tar.gz --no-push --tar-path app.tar --destination app:1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("kaniko takes flags only, not %q (the context is --context)", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return k.run(cmd.Context(), f, build) },
	}
	k.define(cmd.Flags())
	for _, name := range kanikoExtraFlags() {
		cmd.Flags().AddFlag(build.Lookup(name))
	}
	k.complete(cmd)
	return cmd
}

// kanikoExtraFlags lists the flags of slipway build that slipway kaniko has, too.
func kanikoExtraFlags() []string {
	return []string{"add-host", "allow", "jobs", "network", "progress", "report", "runner", "secret", "ssh", "state"}
}

// complete registers the completions for the values of flags.
func (k *kanikoBuild) complete(cmd *cobra.Command) {
	for name, values := range map[string][]string{
		"compression": {"gzip", "zstd"}, "verbosity": {"trace", "debug", "info", "warn", "error", "fatal", "panic"},
		"context": {"dir://", "tar://", "git://", "https://"},
	} {
		directive := cobra.ShellCompDirectiveNoFileComp
		if name == "context" {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		_ = cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return values, directive
		})
	}
	for _, name := range []string{"oci-layout-path", "state"} {
		_ = cmd.MarkFlagDirname(name)
	}
}

// run builds with f, whose flags are in the flag set build.
func (k *kanikoBuild) run(ctx context.Context, f *buildFlags, build *pflag.FlagSet) error {
	if err := k.convert(); err != nil {
		return usageError{err}
	}
	if err := build.Parse(k.args); err != nil {
		return usageError{err}
	}
	f.opt.Context, f.digestFiles = k.context, k.digestFiles
	f.warnings = append(k.warnings, f.warnings...)
	if k.archive != "" {
		archive, err := openArchive(k.archive)
		if err != nil {
			return usageError{fmt.Errorf("--context: %w", err)}
		}
		defer archive.Close()
		f.opt.Stdin = archive
	}
	if _, err := os.Stat(filepath.Join(kanikoConfig, "config.json")); err == nil && os.Getenv("DOCKER_CONFIG") == "" {
		if err := os.Setenv("DOCKER_CONFIG", kanikoConfig); err != nil {
			return err
		}
	}
	return f.run(ctx, build)
}

// openArchive opens the archive of a context. It must be a regular file, because the program may start
// again and read it from the beginning.
func openArchive(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file (use tar://stdin for a pipe)", name)
	}
	return os.Open(name)
}
