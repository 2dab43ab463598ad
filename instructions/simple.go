package instructions

import (
	"slices"
	"strings"

	"slipway/diag"
	"slipway/parser"
)

func (r *request) atLeastOne() *diag.Diagnostic {
	return r.errorf("%s requires at least one argument", r.keyword)
}

// one returns the only argument of an instruction that takes one. The flags
// are checked behind it, as upstream does.
func (r *request) one() (parser.Word, *diag.Diagnostic) {
	words := r.words()
	if len(words) != 1 {
		return parser.Word{}, r.errorf("%s requires exactly one argument", r.keyword)
	}
	_, d := r.parseFlags()
	return words[0], d
}

// many returns the arguments of an instruction that takes one or more.
func (r *request) many() ([]parser.Word, *diag.Diagnostic) {
	words := r.words()
	if len(words) == 0 {
		return nil, r.atLeastOne()
	}
	_, d := r.parseFlags()
	return words, d
}

// parseMaintainer reads MAINTAINER TEXT.
func parseMaintainer(r *request) (Command, *diag.Diagnostic) {
	w, d := r.one()
	if d != nil {
		return nil, d
	}
	return &Maintainer{Node: Node{r.in}, Author: w}, nil
}

// parseUser reads USER NAME[:GROUP].
func parseUser(r *request) (Command, *diag.Diagnostic) {
	w, d := r.one()
	if d != nil {
		return nil, d
	}
	return &User{Node: Node{r.in}, User: w}, nil
}

// parseWorkdir reads WORKDIR PATH.
func parseWorkdir(r *request) (Command, *diag.Diagnostic) {
	w, d := r.one()
	if d != nil {
		return nil, d
	}
	return &Workdir{Node: Node{r.in}, Path: w}, nil
}

// parseStopSignal reads STOPSIGNAL SIGNAL.
//
// Upstream: flags are not looked at.
func parseStopSignal(r *request) (Command, *diag.Diagnostic) {
	words := r.words()
	if len(words) != 1 {
		return nil, r.errorf("STOPSIGNAL requires exactly one argument")
	}
	return &StopSignal{Node: Node{r.in}, Signal: words[0]}, nil
}

// parseExpose reads EXPOSE PORT…
func parseExpose(r *request) (Command, *diag.Diagnostic) {
	words, d := r.many()
	if d != nil {
		return nil, d
	}
	words = slices.Clone(words)
	slices.SortFunc(words, func(a, b parser.Word) int { return strings.Compare(a.Value, b.Value) })
	return &Expose{Node: Node{r.in}, Ports: words}, nil
}

// parseVolume reads VOLUME PATH… or VOLUME ["PATH"…].
func parseVolume(r *request) (Command, *diag.Diagnostic) {
	words, d := r.many()
	if d != nil {
		return nil, d
	}
	v := &Volume{Node: Node{r.in}}
	for _, w := range words {
		w.Value = strings.TrimSpace(w.Value)
		if w.Value == "" {
			return nil, diag.Errorf(w.Text.Range(), "VOLUME specified can not be an empty string")
		}
		v.Paths = append(v.Paths, w)
	}
	return v, nil
}
