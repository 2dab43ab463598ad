package lsp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"slipway/diag"
	"slipway/lint"
	"slipway/source"
)

// Times after the last change of a document after which its diagnostics are sent: restTime without
// starting processes, scriptTime with ShellCheck.
const (
	restTime   = 200 * time.Millisecond
	scriptTime = 500 * time.Millisecond
)

// longText is the size in bytes from which a document is only checked after scriptTime.
const longText = 256 << 10

// maxWait is the time for which the answer to a client waits for ShellCheck, if the server cannot
// ask it to repeat the request.
const maxWait = 2 * time.Second

// schedule sends the diagnostics of a document when it has not changed for restTime, and again when
// ShellCheck has checked its scripts. The caller must hold s.mu.
func (s *server) schedule(ctx context.Context, d *document) {
	snap, rest := d.snapshot, restTime
	if len(snap.file.Bytes) > longText {
		rest = scriptTime
	}
	if !s.pull {
		d.timers = append(d.timers, time.AfterFunc(rest, func() { s.background(ctx, func() { s.publish(ctx, snap) }) }))
	}
	if !s.pull || s.refresh {
		d.timers = append(d.timers, time.AfterFunc(scriptTime, func() { s.background(ctx, func() { s.inspect(ctx, snap) }) }))
	}
}

// background calls f unless the session has ended. The end of the session waits for f.
func (s *server) background(ctx context.Context, f func()) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()
	defer s.recoverPanic(ctx)
	f()
}

// inspect runs ShellCheck on the scripts of a snapshot and sends the diagnostics again if it has
// comments that were not known.
func (s *server) inspect(ctx context.Context, snap *snapshot) {
	before := snap.findings(ctx)
	same := func(a, b *lint.Finding) bool { return a.Code == b.Code && a.Range.Start == b.Range.Start }
	if !snap.checkScripts(ctx) || slices.EqualFunc(before, snap.findings(ctx), same) {
		return
	}
	if !s.pull {
		s.publish(ctx, snap)
	} else if s.isCurrent(snap) {
		s.call(ctx, "workspace/diagnostic/refresh")
	}
}

// publish sends the diagnostics of a snapshot, unless the document has changed.
func (s *server) publish(ctx context.Context, snap *snapshot) {
	list := s.diagnostics(ctx, snap)
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.isCurrent(snap) {
		s.notify(ctx, "textDocument/publishDiagnostics", publishParams{URI: snap.uri, Version: &snap.version, Diagnostics: list})
	}
}

// clear removes the diagnostics of a closed document.
func (s *server) clear(ctx context.Context, uri string) {
	if !s.pull {
		s.notify(ctx, "textDocument/publishDiagnostics", publishParams{URI: uri, Diagnostics: []diagnostic{}})
	}
}

// report returns the diagnostics of a snapshot for a client that asks for them.
func (s *server) report(ctx context.Context, snap *snapshot, _ documentParams) (any, error) {
	if !s.refresh {
		limited, cancel := context.WithTimeout(ctx, maxWait)
		defer cancel()
		snap.checkScripts(limited)
	}
	return diagnosticReport{Kind: "full", ResultID: fmt.Sprint(snap.version), Items: s.diagnostics(ctx, snap)}, nil
}

// diagnostics returns the diagnostics of a snapshot in the form of the protocol.
func (s *server) diagnostics(ctx context.Context, snap *snapshot) []diagnostic {
	list := []diagnostic{}
	for _, f := range snap.findings(ctx) {
		list = append(list, s.diagnostic(snap, f))
	}
	return list
}

// diagnostic converts a finding.
func (s *server) diagnostic(snap *snapshot, f *lint.Finding) diagnostic {
	out := diagnostic{Range: snap.visibleRange(f.Range), Severity: severity(f.Severity), Source: "slipway", Message: f.Message}
	if f.Rule != nil {
		out.Code = f.Rule.Name
		if lint.IsShellCheck(out.Code) {
			out.Source = "shellcheck"
		}
	}
	if f.Alias != "" {
		out.Data = &findingData{f.Alias}
	}
	if f.Hint != "" {
		out.Message += " (" + f.Hint + ")"
	}
	if f.URL != "" {
		out.CodeDescription = &codeDescription{f.URL}
	}
	switch f.Code {
	case "MaintainerDeprecated", "LegacyKeyValueFormat":
		out.Tags = []int{tagDeprecated}
	case "UnreachableStage", "UnusedIgnore":
		out.Tags = []int{tagUnnecessary}
	}
	for _, r := range f.Related {
		if s.related && r.Message != "" && !r.Range.IsZero() {
			if at := snap.location(r.Range); at.URI != "" {
				out.RelatedInformation = append(out.RelatedInformation, related{at, r.Message})
			}
		}
	}
	return out
}

// severity converts a severity to the number in the protocol.
func severity(s diag.Severity) int {
	switch s {
	case diag.Error:
		return severityError
	case diag.Warning:
		return severityWarning
	case diag.Style:
		return severityHint
	}
	return severityInfo
}

// visibleRange converts a range. Editors do not show empty ranges, so it extends an empty range to
// a character of the same line, or to the first line if the diagnostic has no range.
func (s *snapshot) visibleRange(r source.Range) textRange {
	if r.IsZero() {
		r = source.Range{File: s.file, Start: 0, End: s.mapper.lineEnd(0)}
	}
	out := s.mapper.textRange(r)
	if out.Start != out.End {
		return out
	}
	switch line := out.Start.Line; {
	case s.mapper.offset(out.Start) < s.mapper.lineEnd(line):
		out.End.Character++
	case out.Start.Character > 0:
		out.Start.Character--
	case line > 0: // the line is empty
		out.Start = s.mapper.position(s.mapper.lineEnd(line - 1))
		out.Start.Character = max(out.Start.Character-1, 0)
	}
	return out
}
