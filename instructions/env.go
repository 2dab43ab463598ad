package instructions

import (
	"slipway/diag"
	"slipway/parser"
)

// pairs reads KEY=VALUE… or KEY VALUE.
func (r *request) pairs() (*parser.Pairs, *diag.Diagnostic) {
	if _, d := r.parseFlags(); d != nil {
		return nil, d
	}
	p, ok := r.in.Args.(*parser.Pairs)
	if !ok || len(p.Pairs) == 0 {
		return nil, r.atLeastOne()
	}
	for _, kv := range p.Pairs {
		if kv.Key.Value == "" {
			return nil, diag.Errorf(kv.Value.Text.Range(), "%s names can not be blank", r.keyword)
		}
	}
	return p, nil
}

// parseEnv reads ENV KEY=VALUE… or ENV KEY VALUE.
func parseEnv(r *request) (Command, *diag.Diagnostic) {
	p, d := r.pairs()
	if d != nil {
		return nil, d
	}
	return &Env{Node: Node{r.in}, Pairs: p.Pairs, Legacy: p.Legacy}, nil
}

// parseLabel reads LABEL KEY=VALUE… or LABEL KEY VALUE.
func parseLabel(r *request) (Command, *diag.Diagnostic) {
	p, d := r.pairs()
	if d != nil {
		return nil, d
	}
	return &Label{Node: Node{r.in}, Pairs: p.Pairs, Legacy: p.Legacy}, nil
}
