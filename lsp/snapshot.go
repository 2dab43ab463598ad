package lsp

import (
	"bytes"
	"context"
	"sync"

	"slipway/diag"
	"slipway/lint"
	"slipway/linter"
	"slipway/parser"
	"slipway/source"
)

// snapshot is a version of a document. It is immutable; what is derived from its text is computed
// at first use. Safe for concurrent use.
type snapshot struct {
	uri     string
	version int
	mapper  *mapper
	file    *source.File
	checks  checksFunc

	parsed sync.Once
	tree   *parser.File // nil if the grammar rejects the text

	checked sync.Once
	rules   Checks
	result  *lint.Result
	extra   diag.List // errors in configurations

	indexed sync.Once
	index   *index
	values  sync.Mutex // guards the environments of the plan
}

// checksFunc returns the checks of a file.
type checksFunc func(path string, f *source.File) (Checks, error)

func newSnapshot(id documentID, text []byte, encoding string, checks checksFunc) *snapshot {
	return &snapshot{
		uri: id.URI, version: id.Version, checks: checks,
		mapper: newMapper(text, encoding), file: source.NewFile(fileName(id.URI), text),
	}
}

// parse returns the syntax tree, or nil if the grammar rejects the text.
func (s *snapshot) parse() *parser.File {
	s.parsed.Do(func() { s.tree, _ = parser.Parse(s.file) })
	return s.tree
}

// check checks the document. The parts of an invalid document that can be parsed are checked, too.
func (s *snapshot) check(ctx context.Context) *lint.Result {
	s.checked.Do(func() {
		var err error
		if s.checks != nil {
			if s.rules, err = s.checks(s.file.Name, s.file); err != nil {
				s.extra = append(s.extra, diag.Errorf(source.Range{}, "%w", err))
			}
		}
		if s.rules.Linter == nil {
			s.rules.Linter = lint.New(nil, lint.Settings{})
		}
		// The result is shared by all requests, so that none of them may cancel it.
		s.result = s.rules.Linter.Lint(context.WithoutCancel(ctx), s.file, s.rules.Options)
		if err := checkDirective(s.file); err != nil {
			s.extra = append(s.extra, err)
		}
	})
	return s.result
}

// findings returns the errors and findings of the document.
func (s *snapshot) findings(ctx context.Context) []*lint.Finding {
	if len(bytes.TrimSpace(s.file.Bytes)) == 0 {
		return nil
	}
	res := s.check(ctx)
	var list []*lint.Finding
	for _, d := range s.extra {
		list = append(list, &lint.Finding{Diagnostic: *d})
	}
	if s.rules.Excluded {
		return list
	}
	return append(list, res.Findings...)
}

// checkDirective returns the error in the # check= directive, or nil.
func checkDirective(f *source.File) *diag.Diagnostic {
	value, line, ok := parser.Check(f.Bytes)
	if !ok {
		return nil
	}
	if _, err := linter.ParseConfig(value); err != nil {
		return diag.Errorf(f.LineRange(line, line), "%w", err)
	}
	return nil
}
