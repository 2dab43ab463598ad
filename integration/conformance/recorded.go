package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed recorded
var recordedFiles embed.FS

// readRecord returns upstream's recorded outcomes under a name: the kind of a BuildKit worker or,
// for a comparison of builders, the name of a record of a suite. It omits tests whose names do not
// match pattern.
func readRecord(name, pattern string) (outcomes, error) {
	text, err := recordedFiles.ReadFile("recorded/" + name + ".txt")
	if err != nil {
		return nil, fmt.Errorf("no outcomes are recorded for %s: %w", name, err)
	}
	all, err := parseOutcomes(string(text))
	if err != nil || pattern == "" {
		return all, err
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(all, func(test string, _ outcome) bool { return !re.MatchString(topTest(test)) })
	return all, nil
}

// topTest returns the part of a test name that -run matches: TestCopy for
// TestIntegration/TestCopy/worker=oci. For TestIntegration itself, it returns "".
func topTest(test string) string {
	_, rest, _ := strings.Cut(test, "/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// readLost returns the tests of a suite that pass with buildkitd but are known to fail with
// slipway serve, with the reasons. A line of the file has the form TEST: REASON. An empty line or
// one that begins with a number sign is a comment.
func readLost(record string) (map[string]string, error) {
	text, err := recordedFiles.ReadFile("recorded/" + record + "-lost.txt")
	if err != nil {
		return nil, err
	}
	lost := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		test, reason, ok := strings.Cut(line, ": ")
		if !ok || reason == "" {
			return nil, fmt.Errorf("recorded/%s-lost.txt: invalid line %q: want TEST: REASON", record, line)
		}
		lost[test] = reason
	}
	return lost, nil
}

// quickPattern returns a regular expression for the tests of a suite that CI runs, or "" for all. The
// file recorded/solver-SUITE-quick.txt lists these tests, one on a line. An empty line or one that
// begins with a number sign is a comment.
func quickPattern(suite string) (string, error) {
	text, err := recordedFiles.ReadFile("recorded/solver-" + suite + "-quick.txt")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	return "^(" + strings.Join(names, "|") + ")$", nil
}

// writeRecord writes upstream's outcomes to a file in directory recorded, under the name that
// [readRecord] expects. The next compilation of this command embeds the file in recordedFiles.
func writeRecord(root, name string, o outcomes) (err error) {
	f, err := os.Create(filepath.Join(root, "integration", "conformance", "recorded", name+".txt"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := o.write(f); err != nil {
		return err
	}
	return f.Close()
}
