package plan

import (
	"context"

	"slipway/diag"
	"slipway/parser"
)

// maxMatching limits the steps of matching all sources of a plan with the ignore file. A
// thousand sources of 30 bytes and a thousand patterns with wildcards take a tenth of
// them.
const maxMatching = 1 << 30

// readIgnore reads the ignore file of the main context.
//
// Upstream: it is read before the first instruction is evaluated, even if no instruction
// needs the context.
func readIgnore(ctx context.Context, b *builder) error {
	var err error
	b.ignored, err = b.opt.Resolver.Ignore(ctx)
	return err
}

// noteExcluded records a source of COPY or ADD that the ignore file excludes.
func (p *copier) noteExcluded(src string, w parser.Word) *diag.Diagnostic {
	if p.from.Stage != nil {
		return nil
	}
	if p.b.matching += p.b.ignored.Steps(src); p.b.matching > maxMatching {
		return diag.Errorf(w.Text.Range(), "the ignore file has too many patterns with wildcards for so many sources")
	}
	if name, excluded := p.b.ignored.ExcludesSource(src); excluded {
		p.note(&Excluded{Path: name, Word: w})
	}
	return nil
}
