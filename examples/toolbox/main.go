// Command toolbox is a static program that contains a shell and common tools, enough for a
// minimal base image. It acts as the tool named by argv[0]: sh, cat, ls …
//
//	toolbox -install DIR    install the program in DIR/bin under all of its names
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"mvdan.cc/sh/moreinterp/coreutils"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// names returns the tool names that -install creates as symbolic links to the program.
func names() []string {
	return []string{
		"sh", "base64", "cat", "chmod", "cp", "find", "gunzip", "gzip", "ls", "mkdir", "mktemp", "mv", "rm", "shasum",
		"sleep", "tar", "touch", "uname", "xargs",
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, filepath.Base(os.Args[0]), os.Args[1:])
	stop()
	var status interp.ExitStatus
	if errors.As(err, &status) {
		os.Exit(int(status))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "toolbox:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, args []string) error {
	switch {
	case name == "toolbox" && len(args) == 2 && args[0] == "-install":
		return install(args[1])
	case name == "toolbox":
		return errors.New("usage: toolbox -install DIR")
	case name == "sh" && len(args) >= 2 && args[0] == "-c":
		return shell(ctx, strings.NewReader(args[1]), args[2:])
	case name == "sh" && len(args) >= 1:
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		return shell(ctx, f, args[1:])
	case name == "sh":
		return shell(ctx, os.Stdin, nil)
	}
	// Run the tool as a command of the shell.
	words := []string{name}
	for _, a := range args {
		q, err := syntax.Quote(a, syntax.LangBash)
		if err != nil {
			return err
		}
		words = append(words, q)
	}
	return shell(ctx, strings.NewReader(strings.Join(words, " ")), nil)
}

// shell runs a shell script. The parameter params contains its positional parameters: $1, $2
// and so on.
func shell(ctx context.Context, script io.Reader, params []string) error {
	prog, err := syntax.NewParser().Parse(script, "sh")
	if err != nil {
		return err
	}
	r, err := interp.New(
		interp.StdIO(os.Stdin, os.Stdout, os.Stderr),
		interp.Params(append([]string{"--"}, params...)...),
		interp.ExecHandlers(small, coreutils.ExecHandler),
	)
	if err != nil {
		return err
	}
	return r.Run(ctx, prog)
}

// small returns a handler that executes the commands sleep and uname, which mvdan.cc/sh's
// coreutils lack. It passes all other commands to the handler next.
func small(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		hc := interp.HandlerCtx(ctx)
		switch args[0] {
		case "sleep":
			for _, a := range args[1:] {
				d, err := time.ParseDuration(a + "s")
				if err != nil {
					return err
				}
				time.Sleep(d)
			}
			return nil
		case "uname":
			machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
			if machine == "" {
				machine = runtime.GOARCH
			}
			_, err := fmt.Fprintln(hc.Stdout, machine)
			return err
		}
		return next(ctx, args)
	}
}

// install installs the program in dir/bin under all of its names.
func install(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	data, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	bin := filepath.Join(dir, "bin")
	if err := os.RemoveAll(bin); err != nil {
		return err
	}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bin, "toolbox"), data, 0o755); err != nil {
		return err
	}
	for _, name := range names() {
		if err := os.Symlink("toolbox", filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}
