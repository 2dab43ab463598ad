package lsp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sourcegraph/jsonrpc2"

	"slipway/plan"
)

// names returns the names in the document.
func (s *snapshot) names(ctx context.Context) *index {
	f := s.load(ctx)
	s.indexed.Do(func() {
		s.values.Lock()
		defer s.values.Unlock()
		s.index = newIndex(f)
	})
	return s.index
}

// placeAt returns the name at a position, or nil.
func (s *snapshot) placeAt(ctx context.Context, p position) (*index, *place) {
	x := s.names(ctx)
	return x, x.at(s.mapper.offset(p))
}

// spanRange converts a span.
func (s *snapshot) spanRange(p span) textRange {
	return textRange{s.mapper.position(p.start), s.mapper.position(p.end)}
}

// definition returns the declaration that gives a variable its value, or the FROM of a stage.
func (s *server) definition(ctx context.Context, snap *snapshot, p positionParams) (any, error) {
	x, at := snap.placeAt(ctx, p.Position)
	if at == nil {
		if r := x.includedAt(snap.mapper.offset(p.Position)); !r.IsZero() {
			return snap.location(r), nil
		}
		return nil, nil
	}
	if at.isStage() && at.origin() == nil {
		return snap.location(x.file.Stages[at.stage].Syntax.From.In.Keyword.Range()), nil
	}
	if o := at.origin(); o != nil {
		return location{snap.uri, snap.spanRange(o.span)}, nil
	}
	return nil, nil
}

// references returns the places of a name.
func (s *server) references(ctx context.Context, snap *snapshot, p referenceParams) (any, error) {
	list := []location{}
	x, at := snap.placeAt(ctx, p.Position)
	if at == nil {
		return list, nil
	}
	for _, m := range x.members(at) {
		if p.Context.IncludeDeclaration || m.role == usesVariable || m.role == usesStage {
			list = append(list, location{snap.uri, snap.spanRange(m.span)})
		}
	}
	return list, nil
}

// highlight returns the places of a name, and whether they set it.
func (s *server) highlight(ctx context.Context, snap *snapshot, p positionParams) (any, error) {
	list := []documentHighlight{}
	x, at := snap.placeAt(ctx, p.Position)
	if at == nil {
		return list, nil
	}
	for _, m := range x.members(at) {
		kind := highlightWrite
		if m.role == usesVariable || m.role == usesStage {
			kind = highlightRead
		}
		list = append(list, documentHighlight{snap.spanRange(m.span), kind})
	}
	return list, nil
}

// prepareRename returns the range of the name that a rename at the position changes.
func (s *server) prepareRename(ctx context.Context, snap *snapshot, p positionParams) (any, error) {
	x, at := snap.placeAt(ctx, p.Position)
	if at == nil {
		return nil, nil
	}
	if err := x.fixed(at); err != nil {
		return nil, err
	}
	return snap.spanRange(at.span), nil
}

// rename returns the edits that rename a variable or a stage.
func (s *server) rename(ctx context.Context, snap *snapshot, p renameParams) (any, error) {
	x, at := snap.placeAt(ctx, p.Position)
	if at == nil {
		return nil, refuse("there is no name of a variable or a stage")
	}
	if err := x.fixed(at); err != nil {
		return nil, err
	}
	if err := x.free(at, p.NewName); err != nil {
		return nil, err
	}
	if !s.isCurrent(snap) {
		return nil, &jsonrpc2.Error{Code: codeContentModified, Message: "the document has changed"}
	}
	var edits []textEdit
	env := false
	for _, m := range x.members(at) {
		edits = append(edits, textEdit{Range: snap.spanRange(m.span), NewText: p.NewName})
		env = env || m.role == declaresEnv
	}
	if !s.edits.DocumentChanges {
		return workspaceEdit{Changes: map[string][]textEdit{snap.uri: edits}}, nil
	}
	out := workspaceEdit{DocumentChanges: []documentEdit{{TextDocument: documentID{snap.uri, snap.version}, Edits: edits}}}
	if env && len(s.edits.ChangeAnnotation) > 0 {
		const id = "environment"
		out.ChangeAnnotations = map[string]changeAnnotation{id: {
			Label: "Rename an environment variable of the image", NeedsConfirmation: true,
			Description: "programs in the image may read it",
		}}
		for i := range edits {
			edits[i].Annotation = id
		}
	}
	return out, nil
}

// refuse returns the answer to a request that is refused.
func refuse(format string, args ...any) error {
	return &jsonrpc2.Error{Code: codeRequestFailed, Message: fmt.Sprintf(format, args...)}
}

// fixed returns the reason why a name cannot be renamed, or nil.
func (x *index) fixed(p *place) error {
	family := x.members(p)
	if p.isStage() {
		for _, m := range family {
			if m.role == declaresStage {
				return nil
			}
		}
		if x.file.Stages[p.stage].Foreign {
			return refuse("an included file declares the stage")
		}
		return refuse("the stage has no name, only a number")
	}
	if p.role == usesVariable && p.decl == nil {
		return refuse("the file does not declare %s: it may come from the base image", p.name)
	}
	if isPredefined(x, p.name) {
		return refuse("%s is a predefined build argument", p.name)
	}
	scopes := x.scopes(family)
	for _, st := range x.file.Stages {
		if !scopes[st.Index] {
			continue
		}
		for _, script := range st.Scripts {
			if strings.Contains(script.Text, "${!") || slices.Contains(strings.Fields(script.Text), "eval") {
				return refuse("a script of the stage computes names of variables, with ${!NAME} or eval")
			}
		}
	}
	return nil
}

// isPredefined reports whether a name has a meaning of its own as a build argument.
func isPredefined(x *index, name string) bool {
	if plan.NotExported(name) || strings.HasPrefix(name, "BUILDKIT_") {
		return true
	}
	switch strings.ToUpper(name) {
	case "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "SOURCE_DATE_EPOCH", "PATH", "HOME":
		return true
	}
	return slices.Contains(x.predefined, name)
}

// scopes returns the scopes of places.
func (x *index) scopes(list []*place) map[int]bool {
	set := map[int]bool{}
	for _, p := range list {
		set[p.scope] = true
	}
	return set
}

// free returns the reason why a name cannot get a new name, or nil.
func (x *index) free(p *place, name string) error {
	if p.isStage() {
		lower := strings.ToLower(name)
		if !isStageName(lower) || lower == "scratch" || lower == "context" {
			return refuse("%q is not a valid name of a stage: it starts with a letter, followed by letters, digits, -, _ and .", name)
		}
		for _, st := range x.file.Stages {
			if st.Syntax.Name == lower && lower != p.name {
				return refuse("another stage has the name %s", lower)
			}
		}
		return nil
	}
	switch {
	case !isVariableName(name):
		return refuse("%q is not a valid name of a variable: it consists of letters, digits and _, and starts with no digit", name)
	case isPredefined(x, name):
		return refuse("%s has a meaning of its own", name)
	}
	scopes := x.scopes(x.members(p))
	for _, o := range x.places {
		if !o.isStage() && o.name == name && name != p.name && scopes[o.scope] {
			return refuse("the variable %s exists already", name)
		}
	}
	for _, st := range x.file.Stages {
		for _, s := range st.Scripts {
			if scopes[st.Index] && s.Tree != nil && ownVariables(s)[name] {
				return refuse("a script sets the variable %s", name)
			}
		}
	}
	return nil
}

// isStageName reports whether a text in lower case is a name of a stage.
func isStageName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return s != ""
}
