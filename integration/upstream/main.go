// Command upstream does the mechanical part of moving to another version of BuildKit:
//
//	go run ./integration/upstream -version v0.35.0 [-conformance]
//
// It changes the version in go.mod, here and in integration/tools/buildkit, records the results of
// the corpus again, and prints which files changed and where upstream now differs from us. With
// -conformance, it also records which of BuildKit's own tests upstream's image passes, which takes
// root and long.
//
// The work tree must be clean, so that all changes come from the move. If a step fails, such as
// after a change of an API, fix the cause and run the command again: it accepts changes if go.mod
// already has the version.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"

	"slipway/integration/checkout"
	"slipway/integration/toolbox"
)

// buildkit is the module that contains upstream's frontend.
const buildkit = "github.com/moby/buildkit"

func main() {
	version := flag.String("version", "", "`VERSION` of BuildKit, such as v0.35.0")
	conformance := flag.Bool("conformance", false, "record the outcomes of BuildKit's own tests, too (root, Linux)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root, err := toolbox.Root()
	if err == nil {
		err = move{root: root, version: *version, conformance: *conformance, log: os.Stdout}.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
}

// move is a move to a version of BuildKit.
type move struct {
	root, version string
	conformance   bool
	log           io.Writer
}

// step is a command of a move.
type step struct {
	about   string
	dir     string // below the root
	env     []string
	command []string
	report  bool // whether a failure only means that there are differences
	pinned  bool // whether go.mod in dir must require the version afterwards
}

// run checks the work tree and runs the steps.
func (m move) run(ctx context.Context) error {
	if err := m.check(ctx); err != nil {
		return err
	}
	differences := false
	for _, s := range m.steps() {
		fmt.Fprintf(m.log, "== %s\n", s.about)
		cmd := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
		cmd.Dir, cmd.Env = filepath.Join(m.root, s.dir), append(os.Environ(), s.env...)
		cmd.Stdout, cmd.Stderr = m.log, m.log
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case s.report && errors.As(err, &exit) && ctx.Err() == nil:
			differences = true
		case err != nil:
			return fmt.Errorf("%s: %s: %w (fix the cause and run the command again)", s.about, strings.Join(s.command, " "), err)
		}
		if s.pinned {
			if err := m.checkPinned(s.dir); err != nil {
				return fmt.Errorf("%s: %w", s.about, err)
			}
		}
	}
	fmt.Fprintln(m.log, "== What remains: see CONTRIBUTING.md, Move to another BuildKit")
	if differences {
		return errors.New("upstream and this frontend differ, see above")
	}
	return nil
}

// steps returns the steps of the move.
func (m move) steps() []step {
	tools := filepath.Join("integration", "tools", "buildkit")
	get := []string{"go", "get", buildkit + "@" + m.version}
	tidy := []string{"go", "mod", "tidy"}
	steps := []step{
		{about: "move the module", command: get},
		{about: "tidy the module", command: tidy, pinned: true},
		{about: "move the tools", dir: tools, command: get},
		{about: "tidy the tools", dir: tools, command: tidy, pinned: true},
		{about: "record the corpus", env: []string{"UPDATE=1"}, report: true, command: []string{
			"go", "test", "-vet=off", "-run", "^TestCorpus$", "./parser", "./instructions", "./plan", "./dockerfile2llb", "./frontend",
		}},
		{about: "changed files", command: []string{"git", "--no-pager", "diff", "--stat", "HEAD"}},
	}
	if m.conformance {
		steps = append(steps, step{about: "record BuildKit's own tests", command: []string{"go", "run", "./integration/conformance", "-record"}})
	}
	return append(steps, step{about: "differences from upstream", report: true, command: []string{"go", "run", "./integration/parity"}})
}

// check returns an error if the version is invalid, or if the work tree has changes before the
// move.
func (m move) check(ctx context.Context) error {
	if m.version == "" {
		return errors.New("VERSION is not set (use make upstream VERSION=v0.35.0)")
	}
	if semver.Canonical(m.version) != m.version {
		return fmt.Errorf("VERSION %q: not a version of BuildKit (use vMAJOR.MINOR.PATCH, such as v0.35.0)", m.version)
	}
	current, err := currentVersion(m.root)
	if err != nil || current == m.version {
		return err
	}
	src, err := checkout.OpenUnreleased(ctx, m.root)
	if err == nil && src.Modified {
		err = errors.New("the work tree differs from its commit (commit, stash or remove the changes)")
	}
	return err
}

// checkPinned returns an error if go.mod in dir, below the root, does not require the version of the
// move: if a package is missing in that version, the go command selects a later one.
func (m move) checkPinned(dir string) error {
	got, err := currentVersion(filepath.Join(m.root, dir))
	if err == nil && got != m.version {
		err = fmt.Errorf("%s: requires BuildKit %s instead of %s (replace packages that %s lacks, see above)", filepath.Join(dir, "go.mod"), got, m.version, m.version)
	}
	return err
}

// currentVersion returns the version of BuildKit in go.mod below root.
func currentVersion(root string) (string, error) {
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	mod, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return "", err
	}
	for _, r := range mod.Require {
		if r.Mod.Path == buildkit {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("go.mod: does not require %s", buildkit)
}
