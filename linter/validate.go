package linter

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Validate checks that the rules are complete: each has texts, a callback, a
// page <Name>.md in docs and a fixture <Name>.txtar. It also reports duplicate
// rules and files without a rule.
func Validate(rules []*Rule, docs, fixtures fs.FS) error {
	var errs []error
	known := map[string]bool{}
	for _, r := range rules {
		if err := r.validate(); err != nil {
			errs = append(errs, err)
		}
		if known[r.Name] {
			errs = append(errs, fmt.Errorf("%s is defined twice", r.Name))
		}
		known[r.Name] = true
	}
	errs = append(errs, checkFiles(known, docs, ".md"), checkFiles(known, fixtures, ".txtar"))
	return errors.Join(errs...)
}

func (r *Rule) validate() error {
	c := &r.Checks
	switch {
	case r.Name == "" || r.Description == "":
		return fmt.Errorf("rule %q has no name or no description", r.Name)
	case c.File == nil && c.Instruction == nil && c.Stage == nil && c.Dockerfile == nil && c.Globals == nil &&
		c.From == nil && c.Base == nil && c.Fact == nil && c.Visit == nil:
		return fmt.Errorf("%s has no callback", r.Name)
	}
	return nil
}

// checkFiles checks that each name has a file and each file a name.
func checkFiles(known map[string]bool, files fs.FS, suffix string) error {
	var errs []error
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), suffix)
		found[name] = true
		if !known[name] {
			errs = append(errs, fmt.Errorf("%s belongs to no rule", e.Name()))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !found[name] {
			errs = append(errs, fmt.Errorf("%s has no %s%s", name, name, suffix))
		}
	}
	return errors.Join(errs...)
}
