package lsp

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/sourcegraph/jsonrpc2"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/fix"
	"slipway/source"
)

// Kinds of code actions.
const (
	kindQuickFix = "quickfix"
	kindFixAll   = "source.fixAll.slipway"
)

// maxActions is the maximum number of findings for which a request gets quick fixes.
const maxActions = 20

// codeActions returns the actions for a range of a document.
func (s *server) codeActions(ctx context.Context, snap *snapshot, p codeActionParams) (any, error) {
	list := []codeAction{}
	if wants(p, kindQuickFix) {
		list = append(list, s.quickFixes(ctx, snap, p)...)
	}
	if wants(p, kindFixAll) && (len(p.Context.Only) > 0 || p.Context.TriggerKind != triggerAutomatic) {
		if a := s.fixAction(ctx, snap, "Fix all findings whose fix does not change the image", nil); a != nil {
			a.Kind = kindFixAll
			list = append(list, *a)
		}
	}
	if !s.isCurrent(snap) {
		return nil, &jsonrpc2.Error{Code: codeContentModified, Message: "the document has changed"}
	}
	return list, nil
}

// wants reports whether the client asks for actions of a kind.
func wants(p codeActionParams, kind string) bool {
	return len(p.Context.Only) == 0 || slices.ContainsFunc(p.Context.Only, func(only string) bool {
		return only == "" || only == kind || strings.HasPrefix(kind, only+".")
	})
}

// quickFixes returns the actions for the findings that the range touches: their fixes, then the
// comments that suppress them, then the fixes of all findings of the same rules.
func (s *server) quickFixes(ctx context.Context, snap *snapshot, p codeActionParams) []codeAction {
	var fixes, comments, all []codeAction
	var rules []string
	start, end := snap.mapper.offset(p.Range.Start), snap.mapper.offset(p.Range.End)
	n := 0
	for _, f := range snap.findings(ctx) {
		shown := snap.visibleRange(f.Range)
		if snap.mapper.offset(shown.Start) > end || snap.mapper.offset(shown.End) < start {
			continue
		}
		if n++; n > maxActions || ctx.Err() != nil {
			break
		}
		d := []diagnostic{s.diagnostic(snap, f)}
		for _, x := range f.Fixes {
			title := x.Title
			if !x.Safe {
				title += " (may change the image)"
			}
			fixes = append(fixes, codeAction{Title: title, Kind: kindQuickFix, Diagnostics: d, IsPreferred: x.Safe, Edit: s.edit(snap, x.Edits)})
		}
		if f.Rule == nil {
			continue
		}
		comments = append(comments, s.ignoreActions(ctx, snap, f, d)...)
		if len(f.Fixes) > 0 && !slices.Contains(rules, f.Code) {
			rules = append(rules, f.Code)
			if a := s.fixRule(ctx, snap, f.Code); a != nil {
				all = append(all, *a)
			}
		}
	}
	return slices.Concat(fixes, comments, all)
}

// fixRule returns an action that fixes all findings of a rule, or nil if there is only one.
func (s *server) fixRule(ctx context.Context, snap *snapshot, rule string) *codeAction {
	n := 0
	for _, f := range snap.findings(ctx) {
		if f.Code == rule && len(f.Fixes) > 0 {
			n++
		}
	}
	if n < 2 {
		return nil
	}
	return s.fixAction(ctx, snap, "Fix all findings of "+rule+" in the file", func(f *lint.Finding) bool { return f.Code == rule })
}

// fixAction returns an action that applies safe fixes as slipway lint --fix does, or nil if
// no fix applies. only selects the findings; nil selects all.
func (s *server) fixAction(ctx context.Context, snap *snapshot, title string, only func(*lint.Finding) bool) *codeAction {
	if len(snap.findings(ctx)) == 0 || snap.rules.Excluded || snap.load(ctx).Syntax == nil {
		return nil
	}
	res := fix.Apply(ctx, snap.rules.Linter, snap.file, fix.Options{Only: only, Lint: snap.quick()})
	if res.Applied == 0 || bytes.Equal(res.Text, snap.file.Bytes) {
		return nil
	}
	return &codeAction{Title: title, Kind: kindQuickFix, Edit: s.edit(snap, []diag.Edit{changedLines(snap.file, res.Text)})}
}

// changedLines returns an edit that turns a file into text. It leaves the lines at the start and
// at the end that are equal.
func changedLines(f *source.File, text []byte) diag.Edit {
	old := f.Bytes
	start := 0
	for i := 0; i < min(len(old), len(text)) && old[i] == text[i]; i++ {
		if old[i] == '\n' {
			start = i + 1
		}
	}
	end := 0
	for i := 1; i <= min(len(old), len(text))-start && old[len(old)-i] == text[len(text)-i]; i++ {
		if i == len(old)-start || old[len(old)-i-1] == '\n' {
			end = i
		}
	}
	if rest := text[start : len(text)-end]; len(rest) > 0 && rest[len(rest)-1] != '\n' {
		end = 0 // the end starts inside of a line of the text
	}
	return diag.Edit{Range: source.Range{File: f, Start: start, End: len(old) - end}, New: string(text[start : len(text)-end])}
}

// edit converts edits of a document. New lines get the line ends of the document.
func (s *server) edit(snap *snapshot, edits []diag.Edit) *workspaceEdit {
	list := []textEdit{}
	crlf := bytes.Contains(snap.file.Bytes, []byte("\r\n"))
	for _, e := range edits {
		if crlf {
			e.New = strings.ReplaceAll(strings.ReplaceAll(e.New, "\r\n", "\n"), "\n", "\r\n")
		}
		list = append(list, textEdit{Range: snap.mapper.textRange(e.Range), NewText: e.New})
	}
	if s.edits.DocumentChanges {
		return &workspaceEdit{DocumentChanges: []documentEdit{{TextDocument: documentID{snap.uri, snap.version}, Edits: list}}}
	}
	return &workspaceEdit{Changes: map[string][]textEdit{snap.uri: list}}
}
