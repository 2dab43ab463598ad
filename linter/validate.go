package linter

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Validate returns an error unless all rules are complete. Each rule needs a name, a
// description, a callback, a page <Name>.md in docs and a fixture <Name>.txtar. Validate
// also reports duplicate rules, and files that do not belong to a rule.
func Validate(rules []*Rule, docs, fixtures fs.FS) error {
	var errs []error
	names := map[string]bool{}
	for _, r := range rules {
		if err := r.validate(); err != nil {
			errs = append(errs, err)
		}
		if names[r.Name] {
			errs = append(errs, fmt.Errorf("%s is defined twice", r.Name))
		}
		names[r.Name] = true
	}
	errs = append(errs, checkFiles(names, docs, ".md"), checkFiles(names, fixtures, ".txtar"))
	return errors.Join(errs...)
}

// validate returns an error if the rule has no name, no description or no callback.
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

// checkFiles returns an error unless a directory contains exactly the expected files. For each
// name, it must contain a file whose name consists of this name and the suffix.
func checkFiles(names map[string]bool, files fs.FS, suffix string) error {
	var errs []error
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), suffix)
		found[name] = true
		if !names[name] {
			errs = append(errs, fmt.Errorf("%s belongs to no rule", e.Name()))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !found[name] {
			errs = append(errs, fmt.Errorf("%s has no %s%s", name, name, suffix))
		}
	}
	return errors.Join(errs...)
}
