package plan

import (
	"context"

	"slipway/diag"
	"slipway/parser"
)

// maxMatching is the maximum number of steps for matching all sources of a plan against
// the ignore file. A thousand sources of 30 bytes and a thousand patterns with wildcards
// take a tenth of the limit.
const maxMatching = 1 << 30

// readIgnore reads the ignore file of the main context.
//
// Upstream: the frontend reads the ignore file before it evaluates the first instruction,
// even if no instruction needs the context.
func readIgnore(ctx context.Context, b *builder) error {
	var err error
	b.ignored, err = b.opt.Resolver.Ignore(ctx)
	return err
}

// recordExcluded records an [Excluded] fact if the ignore file excludes a source of COPY
// or ADD. It returns an error if matching takes more than maxMatching steps.
func (p *copier) recordExcluded(src string, w parser.Word) *diag.Diagnostic {
	if p.sourceTree.Stage != nil {
		return nil
	}
	if p.b.matchSteps += p.b.ignored.Steps(src); p.b.matchSteps > maxMatching {
		return diag.Errorf(w.Text.Range(), "the ignore file has too many patterns with wildcards for so many sources")
	}
	if name, excluded := p.b.ignored.ExcludesSource(src); excluded {
		p.recordFact(&Excluded{Path: name, Word: w})
	}
	return nil
}
