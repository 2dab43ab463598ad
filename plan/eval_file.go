package plan

import (
	"context"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
	"slipway/shell"
	"slipway/source"
)

// readVariables reads the file that --file of the instruction c names. The file is in the main
// context, and the ignore file applies to it.
func (b *builder) readVariables(ctx context.Context, c instructions.Command, env shell.Env) ([]dialect.Variable, *diag.Diagnostic) {
	w := c.Extension().File
	res, d := b.word(b.current.expand, w, env)
	if d != nil {
		return nil, d
	}
	at := w.Text.Range()
	if res.Value == "" {
		return nil, diag.Errorf(at, "--file is empty")
	}
	if b.opt.ReadFile == nil {
		return nil, diag.Errorf(at, "cannot read %s: the build context is not available", res.Value)
	}
	content, err := b.opt.ReadFile(ctx, res.Value)
	if err != nil {
		return nil, diag.Errorf(at, "cannot read %s: %w", res.Value, err)
	}
	list, d := dialect.ParseVariables(source.NewFile(res.Value, content))
	if d != nil {
		d.Note(d.Range, "in this line")
		d.Range = at
		return nil, d
	}
	b.charge(len(content))
	return list, nil
}

// lowerFile records that the plain instruction has the variables in place of --file.
func (b *builder) lowerFile(keyword string, c instructions.Command, list []dialect.Variable) {
	l := b.lowering(c.Syntax())
	if len(list) == 0 {
		l.Omit = true
		return
	}
	var text strings.Builder
	text.WriteString(keyword)
	for _, v := range list {
		l.oneLine(c.Extension().File.Text.Range(), v.Key, v.Value)
		text.WriteString(" " + v.Key + "=" + quotedLiteral(v.Value, b.Dockerfile.File.Escape))
	}
	l.Text = text.String()
}

// pairsFile returns the pairs of an ENV --file or LABEL --file, and the text of the history
// entry.
func (e *evaluator) pairsFile(keyword string, c instructions.Command) ([][2]string, string, *diag.Diagnostic) {
	list, d := e.b.readVariables(e.ctx, c, e.state.Env)
	if d != nil {
		return nil, "", d
	}
	var kvs [][2]string
	line := keyword
	for _, v := range list {
		kvs = append(kvs, [2]string{v.Key, v.Value})
		line += " " + v.Key + "=" + v.Value
	}
	e.b.lowerFile(keyword, c, list)
	return kvs, line, nil
}
