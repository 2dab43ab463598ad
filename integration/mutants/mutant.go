package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A mutant is a change of one source line that makes the program wrong.
type mutant struct {
	line     int    // line number in mutants.txt
	title    string // describes what the change breaks
	file     string // path relative to the root of the repository
	old, new string // text of the line before and after the change; old occurs once in the file
}

func (m mutant) String() string { return m.file + " " + m.title + " " + m.old }

// outcome is the result of running tests with a mutant. It is killed if a test failed, and
// otherwise SURVIVED.
type outcome string

const (
	killed   outcome = "killed"
	survived outcome = "SURVIVED"
)

// parseList reads the mutants from a list file. Each mutant has four lines: the title,
// which starts with #; the path of the file; the original line, which starts with -; and
// its replacement, which starts with +. Blank lines separate mutants.
func parseList(name string) ([]mutant, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var list []mutant
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		if strings.TrimSpace(lines[i]) == "" {
			continue
		}
		if i+3 >= len(lines) {
			return nil, fmt.Errorf("%s:%d: the last mutant is incomplete", name, i+1)
		}
		m := mutant{line: i + 1, file: lines[i+1]}
		var about, old, changed bool
		m.title, about = strings.CutPrefix(lines[i], "# ")
		m.old, old = strings.CutPrefix(lines[i+2], "-")
		m.new, changed = strings.CutPrefix(lines[i+3], "+")
		if !about || !old || !changed || m.old == m.new {
			return nil, fmt.Errorf("%s:%d: want lines with #, a file, - and +", name, i+1)
		}
		list = append(list, m)
		i += 3
	}
	return list, nil
}

// try changes the source line of the mutant, runs the tests of its package and returns the
// outcome. The second result is the name of the first failed test, or "" if no test fails.
func (m mutant) try(ctx context.Context, root string) (got outcome, text string, err error) {
	dir, err := os.MkdirTemp("", "slipway-mutant-")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return "", "", err
	}
	out, err := m.test(ctx, root, "-overlay", overlay)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", "", context.Cause(ctx)
	case err == nil:
		return survived, "", nil
	case buildFailure.MatchString(out):
		return "", "", fmt.Errorf("the tests do not compile with the change:\n%s", out)
	case errors.As(err, &exit):
		return killed, firstFailure(out), nil
	}
	return "", "", err
}

// test runs the tests of the mutant's package. It disables vet, because a finding of vet does
// not show that a test notices the change.
func (m mutant) test(ctx context.Context, root string, flags ...string) (string, error) {
	flags = append([]string{"test", "-vet=off", "-failfast", "-timeout", "5m"}, flags...)
	return goCommand(ctx, root, append(flags, "./"+filepath.Dir(m.file))...)
}

// changedSource returns the content of the mutant's source file after the change of the line.
func (m mutant) changedSource(root string) (string, error) {
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", err
	}
	text := "\n" + string(data)
	if n := strings.Count(text, "\n"+m.old+"\n"); n != 1 {
		return "", fmt.Errorf("%s has the line %q %d times, want it once", m.file, m.old, n)
	}
	return strings.Replace(text, "\n"+m.old+"\n", "\n"+m.new+"\n", 1)[1:], nil
}

// overlay writes two files to dir: the changed source file, and a JSON file for the -overlay
// flag of the go command. It returns the path of the JSON file.
func (m mutant) overlay(root, dir string) (string, error) {
	name := filepath.Join(root, filepath.FromSlash(m.file))
	text, err := m.changedSource(root)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(name))
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {name: changed}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

func goCommand(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// buildFailure matches the output of go test for a test binary that does not compile.
var buildFailure = regexp.MustCompile(`(?m)^FAIL\s.*\[(build|setup) failed\]$`)

var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)|^panic: (.*)$`)

// firstFailure returns the name of the first failed test in out, the output of go test. If
// the tests panicked first, it returns the panic message.
func firstFailure(out string) string {
	m := failure.FindStringSubmatch(out)
	if m == nil {
		return "the test binary ended with an error"
	}
	return m[1] + m[2]
}
