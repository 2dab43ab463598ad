package main

import (
	"embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed recorded
var recordedFiles embed.FS

// readRecord returns upstream's recorded outcomes with one kind of BuildKit worker. It omits
// tests whose names do not match pattern.
func readRecord(worker, pattern string) (outcomes, error) {
	text, err := recordedFiles.ReadFile("recorded/" + worker + ".txt")
	if err != nil {
		return nil, fmt.Errorf("no outcomes are recorded for worker %s: %w", worker, err)
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

// writeRecord writes upstream's outcomes with one kind of BuildKit worker to a file in
// directory recorded. The next compilation of this command embeds the file in recordedFiles.
func writeRecord(root, worker string, o outcomes) (err error) {
	f, err := os.Create(filepath.Join(root, "integration", "conformance", "recorded", worker+".txt"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := o.write(f); err != nil {
		return err
	}
	return f.Close()
}
