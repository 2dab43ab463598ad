package plan

import (
	"context"

	"slipway/parser"
)

// ignored reads what the main context leaves out. Upstream does so before it
// evaluates the first instruction, whether or not one needs the context.
func ignored(ctx context.Context, b *builder) error {
	var err error
	b.ignored, err = b.opt.Resolver.Ignore(ctx)
	return err
}

// noteExcluded records a source of COPY or ADD that is not in the main context.
func (p *copier) noteExcluded(src string, w parser.Word) {
	if p.from.Stage != nil {
		return
	}
	if name, excluded := p.b.ignored.ExcludesSource(src); excluded {
		p.note(&Excluded{Path: name, Word: w})
	}
}
