package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"slipway/build"
	"slipway/solver/runner/namespace"
)

func cacheCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cache", Short: "Look at what builds keep, and remove it"}
	var state string
	cmd.PersistentFlags().StringVar(&state, "state", "", "`directory` of cache and results (default the user's cache directory)")
	dir := func() (string, error) {
		if state != "" {
			return state, nil
		}
		return build.DefaultState()
	}
	cmd.AddCommand(&cobra.Command{
		Use: "ls", Short: "List what is kept, first what a prune would take first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, err := dir()
			if err != nil {
				return err
			}
			entries, err := build.CacheEntries(cmd.Context(), at, time.Now)
			if err != nil {
				return err
			}
			return printEntries(os.Stdout, entries)
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

func pruneCommand(dir func() (string, error)) *cobra.Command {
	var keep string
	var filters []string
	var opt build.PruneOptions
	cmd := &cobra.Command{
		Use: "prune", Short: "Remove what is kept, the cheapest to have again first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := pruneFlags(&opt, keep, filters); err != nil {
				return usageError{err}
			}
			at, err := dir()
			if err != nil {
				return err
			}
			// What steps made may belong to users that are only there. Without
			// such a namespace nothing does.
			_ = namespace.Enter()
			opt.Log = os.Stderr
			gone, err := build.Prune(cmd.Context(), at, time.Now, opt)
			if printErr := printEntries(os.Stdout, gone); err == nil {
				err = printErr
			}
			return err
		},
	}
	cmd.Flags().StringVar(&keep, "keep-storage", "", "how many `bytes` may stay, with a unit if you like")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "what to remove: `until=DURATION` since it was used, type=KIND, id=KEY or its beginning, description=TEXT in it")
	return cmd
}

func pruneFlags(opt *build.PruneOptions, keep string, filters []string) (err error) {
	if keep != "" {
		if opt.KeepBytes, err = units.FromHumanSize(keep); err != nil {
			return fmt.Errorf("--keep-storage %s: %w", keep, err)
		}
	}
	for _, f := range filters {
		k, v, _ := strings.Cut(f, "=")
		switch k {
		case "until", "unused-for":
			if opt.Unused, err = time.ParseDuration(v); err != nil {
				return fmt.Errorf("--filter %s: %w", f, err)
			}
		case "id":
			opt.Key = v
		case "description":
			opt.Description = v
		case "type":
			kind, err := build.ParseKind(v)
			if err != nil {
				return fmt.Errorf("--filter %s: %w", f, err)
			}
			opt.Kinds = append(opt.Kinds, kind)
		default:
			return fmt.Errorf("--filter %s: unknown filter, there are until, type, id and description", f)
		}
	}
	return nil
}

// printEntries writes entries as a table with their sum.
func printEntries(w io.Writer, entries []build.CacheEntry) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tTYPE\tSIZE\tLAST USED\tSHARED\tDESCRIPTION")
	var total int64
	for _, e := range entries {
		total += e.Bytes
		fmt.Fprintf(t, "%.12s\t%s\t%s\t%s\t%t\t%s\n", e.Key, e.Kind, units.HumanSize(float64(e.Bytes)), e.Used.Format(time.DateTime), e.Shared, e.Name)
	}
	fmt.Fprintf(t, "total\t\t%s\n", units.HumanSize(float64(total)))
	return t.Flush()
}
