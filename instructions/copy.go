package instructions

import (
	"slipway/diag"
	"slipway/parser"
)

var addFlags = []flag{
	{"chown", text},
	{"chmod", text},
	{"link", boolean},
	{"keep-git-dir", boolean},
	{"checksum", text},
	{"unpack", boolean},
	{"exclude", textList},
}

var copyFlags = []flag{
	{"chown", text},
	{"from", text},
	{"chmod", text},
	{"link", boolean},
	{"exclude", textList},
	{"parents", boolean},
}

// parseAdd reads ADD [flags] SOURCE… DEST or ADD [flags] ["SOURCE"… "DEST"].
func parseAdd(r *request) (Command, *diag.Diagnostic) { return r.copy(true, addFlags) }

// parseCopy reads COPY [flags] SOURCE… DEST or COPY [flags] ["SOURCE"… "DEST"].
func parseCopy(r *request) (Command, *diag.Diagnostic) { return r.copy(false, copyFlags) }

func (r *request) copy(add bool, known []flag) (Command, *diag.Diagnostic) {
	words := r.words()
	if len(words) < 2 {
		return nil, r.errorf("%s requires at least two arguments, but only one was provided. Destination could not be determined", r.keyword)
	}
	values, d := r.parseFlags(known...)
	if d != nil {
		return nil, d
	}
	dest := words[len(words)-1]
	if parser.IsHeredoc(dest.Value) {
		return nil, diag.Errorf(dest.Text.Range(), "%s cannot accept a heredoc as a destination", r.keyword)
	}
	c := &Copy{
		Node:     Node{r.in},
		Add:      add,
		Dest:     dest,
		From:     values.word("from"),
		Chown:    values.word("chown"),
		Chmod:    values.word("chmod"),
		Checksum: values.word("checksum"),
		Exclude:  values.list("exclude"),
		Link:     values.isOn("link"),
		Parents:  values.isOn("parents"),
		KeepGit:  values.on("keep-git-dir"),
		Unpack:   values.on("unpack"),
	}
	r.sources(c, words[:len(words)-1])
	return c, nil
}

// sources sorts the sources into paths and heredocs. Their order among each
// other is lost: paths are copied first.
//
// Upstream: of two heredocs of one name both get the body of the last.
func (r *request) sources(c *Copy, words []parser.Word) {
	bodies := map[string]parser.Heredoc{}
	for _, h := range r.heredocs {
		bodies[h.Name] = h
	}
	for _, w := range words {
		h, ok := parser.ParseHeredoc(w.Value)
		if !ok {
			c.Sources = append(c.Sources, w)
			continue
		}
		body := bodies[h.Name]
		in := Inline{Name: h.Name, Data: body.Content(), Expand: h.Expand, Range: body.Body}
		if h.Chomp {
			in.Data = parser.Chomp(in.Data)
		}
		if in.Range.IsZero() {
			in.Range = w.Text.Range()
		}
		c.Inline = append(c.Inline, in)
	}
}
