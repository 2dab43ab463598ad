package lsp

import (
	"bytes"
	"context"
	"sync"

	"slipway/diag"
	"slipway/instructions"
	"slipway/linter"
	"slipway/linter/rules"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// snapshot is a version of a document. It is immutable; what is derived from its text is computed
// at first use. Safe for concurrent use.
type snapshot struct {
	uri     string
	version int
	mapper  *mapper
	file    *source.File

	parsed sync.Once
	tree   *parser.File // nil if the grammar rejects the text
	errs   diag.List    // the errors of the grammar

	checked  sync.Once
	findings diag.List
}

func newSnapshot(id documentID, text []byte, encoding string) *snapshot {
	return &snapshot{uri: id.URI, version: id.Version, mapper: newMapper(text, encoding), file: source.NewFile(fileName(id.URI), text)}
}

// parse returns the syntax tree, or nil if the grammar rejects the text.
func (s *snapshot) parse() *parser.File {
	s.parsed.Do(func() { s.tree, s.errs = parser.Parse(s.file) })
	return s.tree
}

// check returns the errors and the results of BuildKit's build checks.
func (s *snapshot) check(ctx context.Context) diag.List {
	s.checked.Do(func() {
		if len(bytes.TrimSpace(s.file.Bytes)) > 0 {
			s.findings = s.collect(ctx)
		}
	})
	return s.findings
}

// collect finds the errors and the results of the build checks. After an error in the grammar, the
// lines of the error are replaced by comments, so that the rest of the file is checked.
func (s *snapshot) collect(ctx context.Context) diag.List {
	tree := s.parse()
	list := append(diag.List{}, s.errs...)
	if tree == nil {
		var errs diag.List
		if tree, errs = parseAround(s.file, s.errs); tree == nil {
			return append(list, errs...)
		}
		list = append(list, errs...)
	}
	dockerfile, errs := instructions.Parse(tree)
	in := linter.Input{File: tree, Dockerfile: dockerfile}
	var images resolver
	if len(dockerfile.Stages) > 0 {
		p, err := plan.Build(ctx, dockerfile, plan.Options{Resolver: &images, AllStages: true})
		if in.Plan = p; err != nil && errs.Err() == nil {
			errs = append(errs, diagnosticsOf(err)...)
		}
	}
	cfg, err := checkConfig(s.file)
	if err != nil {
		errs = append(errs, err)
	}
	list = append(list, errs...)
	incomplete := list.Err() != nil
	for _, d := range linter.Run(rules.All(), in, cfg) {
		if d.Code == "UndefinedVar" && (incomplete || images.mayDefine(in.Plan, d)) {
			continue
		}
		list = append(list, d)
	}
	return list
}

// checkConfig returns the configuration in the # check= directive.
func checkConfig(f *source.File) (linter.Config, *diag.Diagnostic) {
	value, line, ok := parser.Check(f.Bytes)
	if !ok {
		return linter.Config{}, nil
	}
	cfg, err := linter.ParseConfig(value)
	if err != nil {
		return linter.Config{}, diag.Errorf(f.LineRange(line, line), "%w", err)
	}
	return cfg, nil
}
