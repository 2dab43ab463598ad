package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Entry is a finding in a baseline.
type Entry struct {
	Path        string `json:"path"`
	Rule        string `json:"rule"`
	Fingerprint string `json:"fingerprint"`
	Count       int    `json:"count"`
}

// Baseline is a list of findings that are not reported.
type Baseline struct {
	Entries []Entry `json:"entries"`
}

// ReadBaseline reads a baseline. It returns an error if an entry is incomplete.
func ReadBaseline(path string) (*Baseline, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var b Baseline
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return nil, fmt.Errorf("%s: %w (write a new baseline with --write-baseline)", path, err)
	}
	return &b, nil
}

// Hides reports whether the baseline contains a finding. Each call uses up one entry.
func (b *Baseline) Hides(path, rule, fingerprint string) bool {
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.Path == path && e.Rule == rule && e.Fingerprint == fingerprint && e.Count > 0 {
			e.Count--
			return true
		}
	}
	return false
}

// Add adds a finding.
func (b *Baseline) Add(path, rule, fingerprint string) {
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.Path == path && e.Rule == rule && e.Fingerprint == fingerprint {
			e.Count++
			return
		}
	}
	b.Entries = append(b.Entries, Entry{path, rule, fingerprint, 1})
}

// Left returns the entries that no finding has used up.
func (b *Baseline) Left() []Entry {
	return slices.DeleteFunc(slices.Clone(b.Entries), func(e Entry) bool { return e.Count == 0 })
}

// Encode returns the content of the file, with the entries in order.
func (b *Baseline) Encode() ([]byte, error) {
	slices.SortFunc(b.Entries, func(x, y Entry) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Rule, y.Rule), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	if b.Entries == nil {
		b.Entries = []Entry{}
	}
	data, err := json.MarshalIndent(b, "", "  ")
	return append(data, '\n'), err
}
