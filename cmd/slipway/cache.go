package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"slipway/builder/state"
	"slipway/diag"
	"slipway/solver/runner/namespace"
)

func cacheCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cache", Short: "Inspect and prune the build cache"}
	var flag string
	cmd.PersistentFlags().StringVar(&flag, "state", "", "`DIRECTORY` of the build cache and stored images (default slipway in the user's cache directory)")
	dir := func() (string, error) {
		if flag != "" {
			return flag, nil
		}
		return state.Default()
	}
	cmd.AddCommand(&cobra.Command{
		Use: "ls", Short: "List cached data in the order in which prune removes it", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, err := dir()
			if err != nil {
				return err
			}
			entries, err := state.Entries(cmd.Context(), at, time.Now)
			if err != nil {
				return err
			}
			return printEntries(textTo(os.Stdout), entries)
		},
	}, pruneCommand(dir))
	return cmd
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("takes no arguments, not %q", args)}
	}
	return nil
}

// pruneFlags holds the flags of slipway cache prune.
type pruneFlags struct {
	all, force             bool
	filters                []string
	keep, maxUsed, minFree string
}

func pruneCommand(dir func() (string, error)) *cobra.Command {
	f := &pruneFlags{}
	cmd := &cobra.Command{
		Use: "prune", Short: "Remove cached data, cheapest to recreate first", Args: noArgs,
		Long: `Remove cached data, cheapest to recreate first.

Cache mounts are removed only with --all or --filter type=exec.cachemount.
Prune waits for running builds, because it removes nothing that they use.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := f.options()
			if err != nil {
				return usageError{err}
			}
			at, err := dir()
			if err != nil {
				return err
			}
			// Files of steps may belong to users of the user namespace, if one can be
			// created. Enter may start the program again.
			_ = namespace.Enter()
			if !f.force {
				if err := confirm(cmd.Context(), cmd.InOrStdin(), os.Stderr, f.warning(at)); err != nil {
					return err
				}
			}
			opt.Log = os.Stderr
			gone, err := state.Prune(cmd.Context(), at, time.Now, opt)
			if printErr := printEntries(textTo(os.Stdout), gone); err == nil {
				err = printErr
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&f.all, "all", "a", false, "remove cache mounts as well")
	fs.BoolVarP(&f.force, "force", "f", false, "do not ask for confirmation")
	fs.StringArrayVar(&f.filters, "filter", nil, "entries to remove: `until=DURATION` since the last use, type=KIND, id=PREFIX, or description=TEXT that it contains")
	fs.StringVar(&f.keep, "keep-storage", "", "`SIZE` that is kept, such as 20GB")
	fs.StringVar(&f.keep, "reserved-space", "", "the same as --keep-storage `SIZE`")
	fs.StringVar(&f.maxUsed, "max-used-space", "", "maximum `SIZE` of all entries")
	fs.StringVar(&f.minFree, "min-free-space", "", "minimum free `SIZE` on the disk")
	return cmd
}

// warning returns the question that the user must confirm before a prune of the state
// directory dir.
func (f *pruneFlags) warning(dir string) string {
	what := "the build cache"
	switch {
	case len(f.filters) > 0:
		what = "the selected part of the build cache"
	case f.all:
		what = "all of the build cache, cache mounts included,"
	}
	return fmt.Sprintf("WARNING! This will remove %s in %s. Are you sure you want to continue? [y/N] ", what, dir)
}

// confirm asks the user a question, and returns an error unless the answer is yes.
func confirm(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	fmt.Fprint(out, question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- line // "" at the end of the input
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return context.Cause(ctx)
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		case "":
			if !strings.HasSuffix(line, "\n") {
				fmt.Fprintln(out)
				return usageError{errors.New("cache prune: no answer on standard input (use --force)")}
			}
		}
		return errors.New("cache prune has been canceled")
	}
}

// options converts the flags of slipway cache prune to options for the prune.
func (f *pruneFlags) options() (opt state.PruneOptions, err error) {
	opt.KeepMounts = !f.all
	for _, size := range []struct {
		flag, value string
		to          *int64
	}{
		{"keep-storage", f.keep, &opt.KeepBytes},
		{"max-used-space", f.maxUsed, &opt.MaxUsedBytes},
		{"min-free-space", f.minFree, &opt.MinFreeBytes},
	} {
		if size.value == "" {
			continue
		}
		if *size.to, err = parseSize(units.FromHumanSize, size.value); err != nil {
			return opt, fmt.Errorf("--%s %s: %w", size.flag, size.value, err)
		}
	}
	for _, filter := range f.filters {
		if err := addFilter(&opt, filter); err != nil {
			return opt, err
		}
	}
	return opt, nil
}

// addFilter adds a value of --filter, such as until=24h, to the options.
func addFilter(opt *state.PruneOptions, filter string) (err error) {
	k, v, _ := strings.Cut(filter, "=")
	switch k {
	case "until", "unused-for":
		if opt.Unused, err = time.ParseDuration(v); err != nil {
			return fmt.Errorf("--filter %s: %w", filter, err)
		}
	case "id":
		opt.Key = v
	case "description":
		opt.Description = v
	case "type":
		kind, err := state.ParseKind(v)
		if err != nil {
			return fmt.Errorf("--filter %s: %w", filter, err)
		}
		opt.Kinds = append(opt.Kinds, kind)
	default:
		return fmt.Errorf("--filter %s: unknown filter %q (use until, type, id or description)", filter, k)
	}
	return nil
}

// printEntries writes entries as a table with their total size.
func printEntries(w io.Writer, entries []state.Entry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tTYPE\tSIZE\tLAST USED\tSHARED\tDESCRIPTION")
	var total int64
	for _, e := range entries {
		total += e.Bytes
		fmt.Fprintf(t, "%.12s\t%s\t%s\t%s\t%t\t%s\n", e.Key, e.Kind, units.HumanSize(float64(e.Bytes)), e.Used.Format(time.DateTime), e.Shared, diag.Line(e.Name))
	}
	fmt.Fprintf(t, "total\t\t%s\n", units.HumanSize(float64(total)))
	return t.Flush()
}
