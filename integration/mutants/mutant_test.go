package main

import (
	"path/filepath"
	"testing"

	"slipway/integration/toolbox"
)

// TestList checks that the line of each mutant occurs exactly once in its file.
func TestList(t *testing.T) {
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	list, err := parseList(filepath.Join(root, "integration", "mutants", "mutants.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkAll(list, root); err != nil {
		t.Error(err)
	}
}
