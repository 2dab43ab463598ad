package main

import (
	"path/filepath"
	"strings"
	"testing"

	"slipway/integration/toolbox"
	"slipway/internal/slowtest"
)

// TestList checks, for every mutant in mutants.txt, that its line occurs exactly once in its
// file, and that the package compiles with the changed line.
func TestList(t *testing.T) {
	slowtest.Skip(t, "checks the types of whole packages")
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	list, err := parseList(filepath.Join(root, "integration", "mutants", "mutants.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkAll(t.Context(), list, root); err != nil {
		t.Error(err)
	}
}

// TestDeadMutants checks that checkAll reports mutants that do not compile and mutants whose
// line does not exist.
func TestDeadMutants(t *testing.T) {
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	const file, old = "integration/mutants/mutant.go", "type outcome string"
	err = checkAll(t.Context(), []mutant{
		{line: 1, file: file, old: old, new: "type outcome = string"},
		{line: 2, file: file, old: old, new: "type outcome = int"},
		{line: 3, file: file, old: old, new: "type result string"},
		{line: 4, file: file, old: "type result string", new: old},
	}, root)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"mutants.txt:2: ", "cannot use", "undefined: outcome", "0 times, want it once"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "mutants.txt:1: ") {
		t.Errorf("got %v, want no error for a change that compiles", err)
	}
}
