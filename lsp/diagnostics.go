package lsp

import (
	"context"
	"fmt"
	"time"

	"slipway/diag"
	"slipway/source"
)

// restTime is the time after the last change of a document after which its diagnostics are sent.
const restTime = 200 * time.Millisecond

// schedule sends the diagnostics of a document when it has not changed for restTime. The caller
// must hold s.mu.
func (s *server) schedule(ctx context.Context, d *document) {
	if s.pull {
		return
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	snap := d.snapshot
	d.timer = time.AfterFunc(restTime, func() { s.publish(ctx, snap) })
}

// publish sends the diagnostics of a snapshot, unless the document has changed.
func (s *server) publish(ctx context.Context, snap *snapshot) {
	defer s.recoverPanic(ctx)
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
func (s *server) report(ctx context.Context, snap *snapshot) (any, error) {
	return diagnosticReport{Kind: "full", ResultID: fmt.Sprint(snap.version), Items: s.diagnostics(ctx, snap)}, nil
}

// diagnostics returns the diagnostics of a snapshot in the form of the protocol.
func (s *server) diagnostics(ctx context.Context, snap *snapshot) []diagnostic {
	list := []diagnostic{}
	for _, d := range snap.check(ctx) {
		out := diagnostic{
			Range: snap.visibleRange(d.Range), Severity: severity(d.Severity),
			Code: d.Code, Source: "slipway", Message: d.Message,
		}
		if d.Hint != "" {
			out.Message += " (" + d.Hint + ")"
		}
		if d.URL != "" {
			out.CodeDescription = &codeDescription{d.URL}
		}
		if d.Code == "MaintainerDeprecated" || d.Code == "LegacyKeyValueFormat" {
			out.Tags = []int{tagDeprecated}
		}
		for _, r := range d.Related {
			if s.related && r.Message != "" && !r.Range.IsZero() {
				out.RelatedInformation = append(out.RelatedInformation, related{location{snap.uri, snap.mapper.textRange(r.Range)}, r.Message})
			}
		}
		list = append(list, out)
	}
	return list
}

// severity converts a severity to the number in the protocol.
func severity(s diag.Severity) int {
	switch s {
	case diag.Error:
		return severityError
	case diag.Warning:
		return severityWarning
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
