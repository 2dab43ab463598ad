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

// recorded returns the recorded outcomes of upstream's image with a worker, for
// tests whose name matches pattern.
func recorded(worker, pattern string) (outcomes, error) {
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
	maps.DeleteFunc(all, func(test string, _ outcome) bool { return !re.MatchString(top(test)) })
	return all, nil
}

// top returns the name that -run matches: TestCopy for
// TestIntegration/TestCopy/worker=oci. It returns "" for the outer test.
func top(test string) string {
	_, rest, _ := strings.Cut(test, "/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// record writes outcomes to the file that recorded embeds in the next
// compilation.
func record(root, worker string, o outcomes) (err error) {
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
