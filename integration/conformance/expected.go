package main

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed expected.txt
var expectedText string

//go:embed missing.txt
var missingText string

// expectedFor returns the failures that are expected of an image: what this
// machine lacks and, for our own, what it does not do yet.
func expectedFor(image string) ([]expectedFailure, error) {
	list, err := parseExpected(expectedText)
	if err != nil || image != "ours" {
		return list, err
	}
	missing, err := parseExpected(missingText)
	return append(list, missing...), err
}

// An expectedFailure is a test that is known not to pass here.
type expectedFailure struct{ name, reason string }

// parseExpected reads the format that expected.txt describes.
func parseExpected(text string) ([]expectedFailure, error) {
	var list []expectedFailure
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, " ")
		if reason = strings.TrimSpace(reason); !ok || reason == "" {
			return nil, fmt.Errorf("expected.txt: %s has no reason", name)
		}
		list = append(list, expectedFailure{name, reason})
	}
	return list, nil
}

// covers reports whether test is the expected one, a run of it by a worker, or a
// sub-test of it.
func (e expectedFailure) covers(test string) bool {
	return test == e.name || strings.HasPrefix(test, e.name+"/")
}
