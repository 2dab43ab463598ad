//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"slipway/integration/toolbox"
)

func main() {
	if os.Getenv(insideEnv) == "" {
		os.Exit(runInSession())
	}
	var set settings
	flag.StringVar(&set.run, "run", "", "run only jobs that match this `regexp`; the table is not compared")
	flag.StringVar(&set.on, "on", "", "run only these `columns`, separated by semicolons; the table is not compared")
	flag.BoolVar(&set.verbose, "v", false, "print all outcomes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := run(ctx, set)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "probes:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// insideEnv is an environment variable that runInSession sets for the process that runs the
// probes.
const insideEnv = "SLIPWAY_PROBES_INSIDE"

// runInSession runs this program again in a new session and returns its exit code. In the new
// session, the probes cannot reach the user's terminal and processes. The session's keyring
// contains a key that the probes try to find.
func runInSession() int {
	runtime.LockOSThread() // a session keyring belongs to a thread
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	self, err := os.Executable()
	if err == nil {
		_, err = unix.KeyctlJoinSessionKeyring("slipway-probes")
	}
	if err == nil {
		_, err = unix.AddKey("user", "slipway-probe", []byte("ticket"), unix.KEY_SPEC_SESSION_KEYRING)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "probes:", err)
		return 2
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "probes:", err)
		return 2
	}
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) && exit.ExitCode() >= 0 {
		return exit.ExitCode()
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "probes:", err)
		return 2
	}
	return 0
}

// settings contains the command-line flags.
type settings struct {
	run, on string
	verbose bool
}

// selected returns the jobs whose names match -run and the builder configurations that -on
// selects.
func (set settings) selected() ([]job, []column, error) {
	pattern, err := regexp.Compile(set.run)
	if err != nil {
		return nil, nil, fmt.Errorf("-run: %w", err)
	}
	list := slices.DeleteFunc(jobs(), func(j job) bool { return !pattern.MatchString(j.name) })
	on := strings.Split(set.on, ";")
	cols := slices.DeleteFunc(columns(), func(c column) bool { return set.on != "" && !slices.Contains(on, c.name) })
	if len(list) == 0 || len(cols) == 0 {
		return nil, nil, errors.New("-run or -on matches no job or column")
	}
	return list, cols, nil
}

// run runs the selected jobs with the selected builders, prints the table of privileges and
// checks it. ok is false if a builder gives a step more privileges than buildkitd does and no
// exception allows it, if an exception is no longer needed, or if the table in SECURITY.md is
// out of date.
func run(ctx context.Context, set settings) (ok bool, err error) {
	if runtime.GOARCH != "amd64" || os.Geteuid() != 0 {
		return false, errors.New("the probes need root on linux/amd64")
	}
	list, cols, err := set.selected()
	if err != nil {
		return false, err
	}
	m, err := newMachine(ctx, os.Stderr)
	defer func() { err = errors.Join(err, m.Close()) }()
	if err != nil {
		return false, err
	}
	cols = append([]column{referenceColumn()}, cols...)
	found := make([]*outcomes, len(cols))
	var g errgroup.Group
	for n, c := range cols {
		g.Go(func() error {
			start := time.Now()
			s, err := m.newSite(ctx, c)
			if err != nil {
				return err
			}
			if found[n], err = s.runJobs(ctx, list, set.verbose); err == nil {
				fmt.Fprintf(os.Stderr, "%s: %d privileges, %.1f s\n", c.name, len(found[n].granted), time.Since(start).Seconds())
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	if set.verbose {
		for n, out := range found {
			out.print(cols[n].name)
		}
	}
	result := compare(found[0], cols[1:], found[1:])
	if set.run != "" {
		result.errors = slices.DeleteFunc(result.errors, func(e string) bool { return strings.HasSuffix(e, unneededText) })
	}
	fmt.Print(result.markdown())
	if set.run == "" && set.on == "" {
		if err := checkTable(result.markdown()); err != nil {
			result.errors = append(result.errors, err.Error())
		}
	}
	for _, e := range result.errors {
		fmt.Fprintln(os.Stderr, "probes:", e)
	}
	return len(result.errors) == 0, nil
}

// The lines immediately before and after the generated table in SECURITY.md, by which the
// command finds the table.
const (
	begin = "<!-- make probes writes what follows -->\n"
	end   = "<!-- make probes wrote what precedes -->\n"
)

// checkTable compares table, the new table of privileges, with the table in SECURITY.md. It
// returns an error if they differ, except for cells in which the new table shows fewer
// privileges. With UPDATE=1, it writes the new table to SECURITY.md instead.
func checkTable(table string) error {
	top, err := toolbox.Root()
	if err != nil {
		return err
	}
	name := filepath.Join(top, "SECURITY.md")
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(content), begin)
	old, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		return fmt.Errorf("SECURITY.md: the lines %q and %q do not exist", strings.TrimSpace(begin), strings.TrimSpace(end))
	case old == table:
		return nil
	case os.Getenv("UPDATE") == "":
		less, ok := lesser(old, table)
		if !ok {
			return errors.New("SECURITY.md: the table differs (UPDATE=1 make probes writes it)")
		}
		fmt.Fprintf(os.Stderr, "steps have less on this machine than in the table in SECURITY.md: %s\n", strings.Join(less, "; "))
		return nil
	}
	return os.WriteFile(name, []byte(before+begin+table+end+after), 0o644)
}
