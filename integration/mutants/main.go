package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"text/tabwriter"
	"time"

	"slipway/integration/toolbox"
)

func main() {
	pattern := flag.String("run", "", "`REGEXP` of the mutants to try")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *pattern); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, pattern string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	list, err := parseList(filepath.Join(root, "integration", "mutants", "mutants.txt"))
	if err != nil {
		return err
	}
	if err := checkAll(ctx, list, root); err != nil {
		return err
	}
	counts := map[outcome]int{}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, m := range list {
		if !re.MatchString(m.String()) {
			continue
		}
		// Tests that fail without a change would kill each mutant. The go command caches
		// results.
		if out, err := m.test(ctx, root); err != nil {
			return fmt.Errorf("tests of %s fail without a change: %w\n%s", filepath.Dir(m.file), err, out)
		}
		start := time.Now()
		got, text, err := m.try(ctx, root)
		if err != nil {
			return fmt.Errorf("mutants.txt:%d: %s: %w", m.line, m.title, err)
		}
		counts[got]++
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f s\t%s\n", got, m.file, m.title, time.Since(start).Seconds(), text)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	fmt.Printf("%d killed, %d survived\n", counts[killed], counts[survived])
	if counts[survived] > 0 {
		return fmt.Errorf("%d mutants survived the tests of their packages", counts[survived])
	}
	return nil
}
