package tree

import (
	"context"
	"io"
)

// Reader returns a reader that reads from r. After ctx has ended, its Read method
// returns the error context.Cause(ctx).
func Reader(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

// contextReader is the reader that [Reader] returns.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements [io.Reader].
func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
