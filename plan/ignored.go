package plan

import (
	"context"

	"slipway/diag"
	"slipway/parser"
)

// maxMatching is how many steps a plan takes to match its sources with the
// ignore file. A thousand sources of 30 bytes and as many patterns with
// wildcards take a tenth of it.
const maxMatching = 1 << 30

// readIgnore reads what the main context leaves out. Upstream does so before it
// evaluates the first instruction, whether or not one needs the context.
func readIgnore(ctx context.Context, b *builder) error {
	var err error
	b.ignored, err = b.opt.Resolver.Ignore(ctx)
	return err
}

// noteExcluded records a source of COPY or ADD that is not in the main context.
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
