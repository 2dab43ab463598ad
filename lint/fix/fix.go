// Package fix applies the fixes of findings to files.
//
// [Apply] works in rounds: it applies fixes that do not overlap, and checks the new text again,
// until no fix is left. A fix after which the file has a new error is undone.
package fix

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/lint"
	"slipway/source"
)

// maxRounds is the maximum number of times that a file is changed and checked again.
const maxRounds = 10

// Options selects the fixes to apply.
type Options struct {
	Unsafe bool                     // whether to apply fixes that may change the image
	Only   func(*lint.Finding) bool // reports whether to fix a finding; nil fixes all
	Lint   lint.Options
}

// Result is the outcome of [Apply].
type Result struct {
	Text    []byte
	Applied int             // the number of fixes that the text contains
	Undone  []*lint.Finding // findings whose fix caused an error
	Last    *lint.Result    // the result of checking Text
}

// Apply fixes the findings in a file.
func Apply(ctx context.Context, l *lint.Linter, src *source.File, opt Options) *Result {
	s := session{
		Result: &Result{Text: src.Bytes, Last: l.Lint(ctx, src, opt.Lint)},
		linter: l, name: src.Name, opt: opt, failed: map[string]bool{},
	}
	for range maxRounds {
		chosen := choose(s.Last.Findings, opt, s.failed)
		if len(chosen) == 0 || ctx.Err() != nil {
			break
		}
		text, next := s.attempt(ctx, chosen)
		if next == nil {
			// One of the fixes causes an error: find one that does not.
			if chosen = s.chooseOne(ctx, chosen); chosen == nil {
				continue
			}
			text, next = s.attempt(ctx, chosen)
		}
		if next == nil || bytes.Equal(text, s.Text) {
			break
		}
		s.Text, s.Last = text, next
		s.Applied += len(chosen)
	}
	return s.Result
}

// session is the state of fixing one file.
type session struct {
	*Result
	linter *lint.Linter
	name   string
	opt    Options
	failed map[string]bool // the keys of fixes that cause errors
}

// attempt applies fixes and checks the new text. The result next is nil if the text has a new
// error.
func (s *session) attempt(ctx context.Context, chosen []choice) (text []byte, next *lint.Result) {
	text = edit(source.NewFile(s.name, s.Text), chosen)
	next = s.linter.Lint(ctx, source.NewFile(s.name, text), s.opt.Lint)
	if len(next.File.Errors) > len(s.Last.File.Errors) {
		return text, nil
	}
	return text, next
}

// chooseOne returns the first of several fixes that causes no error on its own. It records the
// fixes before it as failed.
func (s *session) chooseOne(ctx context.Context, chosen []choice) []choice {
	for _, c := range chosen {
		if _, next := s.attempt(ctx, []choice{c}); next != nil {
			return []choice{c}
		}
		s.failed[c.key()] = true
		s.Undone = append(s.Undone, c.finding)
	}
	return nil
}

// choice is a fix of a finding.
type choice struct {
	finding *lint.Finding
	fix     diag.Fix
}

// key identifies the fix in later rounds.
func (c choice) key() string { return c.finding.Code + "\x00" + c.fix.Title }

// choose returns the fixes for the next round, in the order of their offsets. Their edits do not
// overlap.
func choose(findings []*lint.Finding, opt Options, failed map[string]bool) []choice {
	var list []choice
	for _, f := range findings {
		if opt.Only != nil && !opt.Only(f) {
			continue
		}
		i := slices.IndexFunc(f.Fixes, func(x diag.Fix) bool { return x.Safe || opt.Unsafe })
		if i < 0 {
			continue
		}
		c := choice{f, f.Fixes[i]}
		if !failed[c.key()] && !slices.ContainsFunc(list, func(o choice) bool { return overlap(o.fix, c.fix) }) {
			list = append(list, c)
		}
	}
	return list
}

// overlap reports whether two fixes change the same text, or insert text at the same offset.
func overlap(a, b diag.Fix) bool {
	for _, x := range a.Edits {
		for _, y := range b.Edits {
			if x.Range.Start <= y.Range.End && y.Range.Start <= x.Range.End {
				return true
			}
		}
	}
	return false
}

// edit returns the content of f after the edits of all chosen fixes.
func edit(f *source.File, chosen []choice) []byte {
	var edits []diag.Edit
	for _, c := range chosen {
		edits = append(edits, c.fix.Edits...)
	}
	return Edit(f, edits)
}

// Edit returns the content of f after edits in any order. An edit that overlaps an earlier one is
// omitted. New lines get the line ends of f.
func Edit(f *source.File, edits []diag.Edit) []byte {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b diag.Edit) int { return cmp.Compare(a.Range.Start, b.Range.Start) })
	crlf := bytes.Contains(f.Bytes, []byte("\r\n"))
	at := 0
	kept := edits[:0]
	for _, e := range edits {
		if e.Range.Start < at {
			continue
		}
		if crlf {
			e.New = strings.ReplaceAll(e.New, "\n", "\r\n")
		}
		at = e.Range.End
		kept = append(kept, e)
	}
	return diag.Apply(f, kept)
}
