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

// maxText is the size in bytes up to which a document is checked and formatted.
const maxText = 4 << 20

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

	// live ends when the document changes or is closed. The snapshot then still answers requests.
	live   context.Context //nolint:containedctx // it is a property of the snapshot
	retire context.CancelFunc

	loaded sync.Once
	rules  Checks
	loads  *lint.File
	extra  diag.List // errors in configurations

	checked sync.Once
	result  *lint.Result

	scripts sync.Mutex   // held while ShellCheck runs; guards full
	full    *lint.Result // with the comments of ShellCheck; nil until they are known

	indexed sync.Once
	index   *index
	values  sync.Mutex // guards the environments of the plan
}

// checksFunc returns the checks of a file.
type checksFunc func(path string, f *source.File) (Checks, error)

// newSnapshot returns a version of a document. The caller must call retire when it is out of date.
func newSnapshot(ctx context.Context, id documentID, text []byte, encoding string, checks checksFunc) *snapshot {
	s := &snapshot{
		uri: id.URI, version: id.Version, checks: checks,
		mapper: newMapper(text, encoding), file: source.NewFile(fileName(id.URI), text),
	}
	s.live, s.retire = context.WithCancel(ctx)
	return s
}

// parse returns the syntax tree, or nil if the grammar rejects the text.
func (s *snapshot) parse() *parser.File {
	s.parsed.Do(func() {
		if len(s.file.Bytes) <= maxText {
			s.tree, _ = parser.Parse(s.file)
		}
	})
	return s.tree
}

// load returns the instructions, the plan and the scripts of the document, even if it is invalid.
func (s *snapshot) load(ctx context.Context) *lint.File {
	s.loaded.Do(func() {
		var err error
		if s.checks != nil {
			if s.rules, err = s.checks(s.file.Name, s.file); err != nil {
				s.extra = append(s.extra, diag.Errorf(source.Range{}, "%w", err))
			}
		}
		if s.rules.Linter == nil {
			s.rules.Linter = lint.New(nil, lint.Settings{})
		}
		if len(s.file.Bytes) > maxText {
			s.loads = &lint.File{Source: s.file, Errors: diag.List{diag.Errorf(source.Range{}, "larger than %d MiB: the file is not checked", maxText>>20)}}
			return
		}
		// All requests share the result, so that none of them may cancel it.
		s.loads = lint.Load(context.WithoutCancel(ctx), s.file, s.rules.Options)
		if err := checkDirective(s.file); err != nil {
			s.extra = append(s.extra, err)
		}
	})
	return s.loads
}

// check checks the document without starting ShellCheck. The parts of an invalid document that can
// be parsed are checked, too.
func (s *snapshot) check(ctx context.Context) *lint.Result {
	s.checked.Do(func() {
		f := s.load(ctx)
		s.values.Lock()
		defer s.values.Unlock()
		s.result = s.rules.Linter.Check(context.WithoutCancel(ctx), f, s.quick())
	})
	return s.result
}

// quick returns the options of checks that start no process: scripts that ShellCheck has checked
// before have its comments.
func (s *snapshot) quick() lint.Options {
	opt := s.rules.Options
	if opt.ShellCheck != nil {
		opt.ShellCheck = opt.ShellCheck.Cached()
	}
	return opt
}

// checkScripts adds the comments of ShellCheck to the findings. It returns false if there is
// nothing to add, or if ctx ends or the document changes before they are known.
func (s *snapshot) checkScripts(ctx context.Context) bool {
	if f := s.load(ctx); f.Syntax == nil || s.rules.Options.ShellCheck == nil || s.rules.Excluded {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.live, cancel)()
	s.scripts.Lock()
	defer s.scripts.Unlock()
	if s.full != nil {
		return true
	}
	res := s.rules.Linter.Lint(ctx, s.file, s.rules.Options)
	if ctx.Err() == nil {
		s.full = res
	}
	return s.full != nil
}

// best returns the result of all checks that have been made.
func (s *snapshot) best(ctx context.Context) *lint.Result {
	res := s.check(ctx)
	if s.scripts.TryLock() {
		defer s.scripts.Unlock()
		if s.full != nil {
			return s.full
		}
	}
	return res
}

// findings returns the errors and findings of the document.
func (s *snapshot) findings(ctx context.Context) []*lint.Finding {
	if len(bytes.TrimSpace(s.file.Bytes)) == 0 {
		return nil
	}
	res := s.best(ctx)
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
