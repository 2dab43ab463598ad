package main

import (
	"path/filepath"
	"testing"

	"slipway/integration/toolbox"
)

// TestList checks that the list follows the code: each line that a mutant changes
// exists, once.
func TestList(t *testing.T) {
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	list, err := read(filepath.Join(root, "integration", "mutants", "mutants.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkAll(list, root); err != nil {
		t.Error(err)
	}
}
