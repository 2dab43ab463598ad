// Command slipway builds Dockerfiles without a daemon.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/log"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"slipway/builder"
	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/solver/runner/chroot"
	"slipway/solver/runner/namespace"
)

// Exit codes of the program.
const (
	exitFailed      = 1   // the build failed
	exitUsage       = 2   // the command line is invalid
	exitInterrupted = 130 // as shells report SIGINT
	exitTerminated  = 143 // as shells report SIGTERM
)

// Limits for the memory that Go allocates before it collects garbage. Most builds end before
// they reach a limit.
const (
	garbagePercent = 400      // for debug.SetGCPercent
	memoryGoal     = 72 << 20 // bytes; if more are in use, Go collects garbage more often
)

// collectLess makes Go collect garbage less often, unless the user sets GOGC or
// GOMEMLIMIT. By default, garbage collection takes longer than the work of a small build.
func collectLess() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
		adjustLimit()
	}
}

// adjustLimit sets Go's memory limit to the larger of memoryGoal and twice the memory in use
// after each garbage collection. A constant limit would be too low for a build that uses about
// as much memory: Go would collect garbage all the time.
func adjustLimit() {
	runtime.AddCleanup(new([32]byte), func(struct{}) {
		var m runtime.MemStats // runtime/metrics would add 1 ms to the start of the program
		runtime.ReadMemStats(&m)
		debug.SetMemoryLimit(max(memoryGoal, 2*int64(m.HeapAlloc)))
		adjustLimit()
	}, struct{}{})
}

func main() {
	namespace.Main()
	chroot.Main()
	collectLess()
	_ = log.SetLevel("error") // for messages from libraries on standard error
	ctx, cancel := context.WithCancel(context.Background())
	signals, caught := make(chan os.Signal, 3), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		caught <- s
		cancel() // without a cause: displays recognize canceled steps by "context canceled"
		waitToExit(signals, signalEcho, exitGrace)
		os.Exit(exitCode(s))
	}()
	code := run(ctx, os.Args[1:])
	if code == exitInterrupted {
		code = exitCode(<-caught)
	}
	os.Exit(code)
}

const (
	// signalEcho is the time after the first signal during which further signals are ignored. If
	// a user presses Ctrl+C once, the terminal and the parent process may both send a signal.
	signalEcho = 200 * time.Millisecond
	// exitGrace is the maximum time that the command may take to exit after a signal.
	exitGrace = 10 * time.Second
)

// waitToExit waits until a second signal arrives or the time grace has passed. It ignores
// signals during the first part of this time, the duration echo, because they may repeat the
// first signal. Because the caller exits when waitToExit returns, a second signal ends even a
// command that is blocked.
func waitToExit(signals <-chan os.Signal, echo, grace time.Duration) {
	latest := time.After(grace)
	for same := time.After(echo); same != nil; {
		select {
		case <-signals:
		case <-same:
			same = nil
		}
	}
	select {
	case <-signals:
	case <-latest:
	}
}

// exitCode returns the exit code for a command that was ended by a signal.
func exitCode(s os.Signal) int {
	if s == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupted
}

// usageError is an error in the command line, for which the program exits with status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// reportedError is an error whose text has already been printed. It makes slipway exit with the
// given status.
type reportedError struct{ code int }

// Error implements error.
func (e reportedError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

func run(ctx context.Context, args []string) int {
	root := &cobra.Command{
		Use:           "slipway",
		Short:         "Build Dockerfiles without a daemon",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{flagError(cmd, err)} })
	root.AddCommand(subcommands(args)...)
	root.AddCommand(releaseCommands()...)
	root.InitDefaultCompletionCmd()
	onlySubcommands(root)
	if len(args) > 0 && args[0] == cobra.ShellCompRequestCmd {
		plainUsage(root)
	}
	root.SetArgs(args)
	out := &watchedWriter{w: textTo(os.Stdout)}
	root.SetOut(out)
	err := cmp.Or(root.ExecuteContext(ctx), out.err)
	var usage usageError
	var found foundError
	var reported reportedError
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "slipway: interrupted")
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "slipway:", diag.Block(err.Error()))
		return exitUsage
	case errors.As(err, &reported):
		return reported.code
	case errors.As(err, &found):
		fmt.Fprint(os.Stderr, diag.Block(err.Error())) // has docker build's text, or is empty
		return exitFailed
	}
	if err := builder.Report(os.Stderr, err, isColored(os.Stderr)); err != nil {
		return exitFailed
	}
	return exitFailed
}

// subcommands returns the subcommand that args name, or all subcommands if they name none. To
// define the flags of all takes a tenth of the time of a small build.
func subcommands(args []string) []*cobra.Command {
	all := []struct {
		name string
		make func() *cobra.Command
	}{
		{"build", buildCommand},
		{"kaniko", kanikoCommand},
		{"eject", ejectCommand},
		{"plan", planCommand},
		{"graph", graphCommand},
		{"diff", diffCommand},
		{"serve", serveCommand},
		{"image", imageCommand},
		{"cache", cacheCommand},
		{"login", loginCommand},
		{"logout", logoutCommand},
		{"lint", lintCommand},
		{"fmt", fmtCommand},
		{"lsp", lspCommand},
		{"version", versionCommand},
	}
	var commands []*cobra.Command
	for _, c := range all {
		if len(args) > 0 && args[0] == c.name {
			return []*cobra.Command{c.make()}
		}
		commands = append(commands, c.make())
	}
	return commands
}

// watchedWriter is a writer that stores the first error of the underlying writer. Use it with
// functions that ignore errors of their writers.
type watchedWriter struct {
	w   io.Writer
	err error
}

// Write implements [io.Writer]. It returns no error, but stores the first error of the
// underlying writer.
func (w *watchedWriter) Write(p []byte) (int, error) {
	if w.err == nil {
		_, w.err = w.w.Write(p)
	}
	return len(p), nil
}

// onlySubcommands makes cmd return an error for an unknown subcommand. It does the same for
// each subcommand of cmd that has its own subcommands.
func onlySubcommands(cmd *cobra.Command) {
	if !cmd.HasSubCommands() {
		return
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
		onlySubcommands(c)
	}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usageError{fmt.Errorf("unknown command %q%s; %s --help lists them", args[0], suggest.Hint(args[0], names, true), cmd.CommandPath())}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// plainUsage removes backquotes from the usage texts of flags. Package pflag uses backquotes to
// mark the name of a flag's value, but shells would show them in completions.
func plainUsage(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		plainUsage(c)
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
}

// flagError adds a suggestion to the error of an unknown flag.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	return fmt.Errorf("%w%s", err, suggest.Hint("--"+unknown.GetSpecifiedName(), names, true))
}
