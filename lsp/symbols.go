package lsp

import (
	"context"
	"fmt"
	"strings"

	"slipway/dialect"
	"slipway/instructions"
	"slipway/parser"
)

// symbols returns the stages of a document and their instructions. Clients that show no trees get
// the stages and the ARGs.
func (s *server) symbols(ctx context.Context, snap *snapshot, _ documentParams) (any, error) {
	x := snap.names(ctx)
	tree := []documentSymbol{}
	flat := []symbolInformation{}
	add := func(list *[]documentSymbol, sym documentSymbol, container string) {
		*list = append(*list, sym)
		if sym.Kind != symbolEvent {
			flat = append(flat, symbolInformation{sym.Name, sym.Kind, location{snap.uri, sym.Range}, container})
		}
	}
	if x.file.Dockerfile != nil {
		for _, a := range x.file.Dockerfile.Args {
			if x.file.Contains(a.In.Rng) {
				add(&tree, snap.symbol(a.In, gateOf(x.file)), "")
			}
		}
	}
	for i, st := range x.file.Stages {
		if st.Foreign {
			continue
		}
		from := st.Syntax.From
		sym := documentSymbol{Name: st.Syntax.Name, Detail: from.Base.Value, Kind: symbolNamespace}
		if sym.Name == "" {
			sym.Name = fmt.Sprintf("stage %d", i)
		}
		whole := rangeSpan(from.In.Rng)
		for _, in := range st.Syntax.Commands {
			if x.file.Contains(in.Syntax().Rng) {
				whole.end = max(whole.end, in.Syntax().Rng.End)
			}
		}
		sym.Range, sym.SelectionRange = snap.spanRange(whole), snap.mapper.textRange(from.In.Line.Range())
		at := len(flat)
		flat = append(flat, symbolInformation{sym.Name, sym.Kind, location{snap.uri, sym.Range}, ""})
		for _, c := range st.Syntax.Commands {
			if x.file.Contains(c.Syntax().Rng) {
				add(&sym.Children, snap.symbol(c.Syntax(), gateOf(x.file)), flat[at].Name)
			}
		}
		tree = append(tree, sym)
	}
	if s.nested {
		return tree, nil
	}
	return flat, nil
}

// maxDetail is the maximum length of the description of a symbol, in bytes.
const maxDetail = 60

// symbol returns the symbol of an instruction.
func (s *snapshot) symbol(in *parser.Instruction, gate *dialect.Gate) documentSymbol {
	detail := strings.ToValidUTF8(in.Rest.String()[:min(in.Rest.Len(), maxDetail)], "")
	sym := documentSymbol{Name: strings.ToUpper(in.Keyword.String()), Detail: strings.Join(strings.Fields(detail), " "), Kind: symbolEvent}
	c, _ := instructions.ParseOneGated(in, gate)
	if arg, ok := c.(*instructions.Arg); ok && len(arg.Args) > 0 {
		sym.Name, sym.Kind = arg.Args[0].Key, symbolConstant
	}
	if env, ok := c.(*instructions.Env); ok && len(env.Pairs) > 0 {
		sym.Name, sym.Kind = env.Pairs[0].Key.Value, symbolVariable
	}
	sym.Range, sym.SelectionRange = s.mapper.textRange(in.Rng), s.mapper.textRange(in.Keyword.Range())
	return sym
}
