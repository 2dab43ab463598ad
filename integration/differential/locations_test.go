package differential

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/solver/errdefs"
	"golang.org/x/sync/errgroup"

	"slipway/diag"
	"slipway/integration/generate"
	"slipway/internal/golden"
	"slipway/internal/slowtest"
)

// locationException is a kind of error that needs no source location, because it does not
// concern the text of a Dockerfile or ignore file.
type locationException struct {
	reason string
	fit    func(c *golden.Case, text string) bool
}

// locationExceptions returns all kinds of errors that may lack a source location.
func locationExceptions() []locationException {
	return []locationException{
		{"the text says which option is wrong, and what it may be", matches(` \(\S+ is .*\)$|^unsupported frontend capability `)},
		{"the target is an option", matches(`^target stage ".*" could not be found`)},
		{"SOURCE_DATE_EPOCH is a build argument", hasOption("build-arg:SOURCE_DATE_EPOCH", "")},
		{"the build checks are a build argument", hasOption("build-arg:BUILDKIT_DOCKERFILE_CHECK", "^lint violation found for rules: ")},
		{"the generator of SBOMs is an option", hasOption("attest:sbom", "")},
		{"the address of the context is an option", hasOption("context", `^(ref|subdir) conflicts: |^branch conflicts with tag$|`+
			`^(unexpected )?query "|^invalid [a-z-]+ value: |^failed to read downloaded context: `)},
		{"there is no Dockerfile", matches(`^failed to read dockerfile: (open .*: no such file or directory|no access allowed to dir|failed to fetch remote )`)},
		{"a file is too large to be read", matches(` exceeds maximum allowed size of \d+ bytes$`)},
		{"a Dockerfile without a byte has no range", func(c *golden.Case, _ string) bool { return len(c.Dockerfile()) == 0 }},
		{"a sub-request is no part of a file", matches(`^unsupported request `)},
		{"the builder is too old", matches(` is not supported by build server, please update `)},
	}
}

func matches(text string) func(*golden.Case, string) bool {
	re := regexp.MustCompile(text)
	return func(_ *golden.Case, s string) bool { return re.MatchString(s) }
}

func hasOption(name, text string) func(*golden.Case, string) bool {
	re := regexp.MustCompile(text)
	return func(c *golden.Case, s string) bool {
		_, ok := c.Opts[name]
		return ok && re.MatchString(s)
	}
}

// locationCheck collects the errors of our frontend that lack a source location. Safe for
// concurrent use.
type locationCheck struct {
	mu      sync.Mutex
	kinds   []locationException
	used    map[string]bool // reasons of the exceptions that occurred
	located int
	wrong   map[string]string // name of a case by error text
}

func (p *locationCheck) run(t *testing.T, c *golden.Case, platform string) error {
	r, err := Run(t.Context(), Ours(), c, platform)
	if err != nil || r.Err == nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if hasLocation(r.Err) {
		p.located++
		return nil
	}
	i := slices.IndexFunc(p.kinds, func(k locationException) bool { return k.fit(c, r.Err.Error()) })
	if i < 0 {
		p.wrong[r.Err.Error()] = c.Name
		return nil
	}
	p.used[p.kinds[i].reason] = true
	return nil
}

// hasLocation reports whether err has a non-empty range in a file, or at least the source
// lines of an LLB operation.
func hasLocation(err error) bool {
	var d *diag.Diagnostic
	if errors.As(err, &d) && !d.Range.IsZero() && d.Shown().Start < d.Shown().End {
		return true
	}
	return slices.ContainsFunc(errdefs.Sources(err), func(s *errdefs.Source) bool { return len(s.Ranges) > 0 })
}

// TestErrorsHaveLocations checks that each error of our frontend has a source location or is a
// listed exception. It builds the test cases in testdata and random Dockerfiles.
func TestErrorsHaveLocations(t *testing.T) {
	slowtest.Skip(t, "compares thousands of inputs")
	p := &locationCheck{kinds: locationExceptions(), used: map[string]bool{}, wrong: map[string]string{}}
	var g errgroup.Group
	g.SetLimit(2)
	for _, c := range golden.Cases(t) {
		for _, platform := range c.Platforms() {
			g.Go(func() error { return p.run(t, c, platform) })
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, k := range p.kinds {
		if !p.used[k.reason] {
			t.Errorf("no case of the corpus has an error that lacks a location because %s", k.reason)
		}
	}
	for n := range uint64(2000) {
		g.Go(func() error {
			b := generate.New(1, n)
			c, err := b.Case("error/generated")
			if err != nil {
				return err
			}
			return p.run(t, c, b.Platform)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, text := range slices.Sorted(maps.Keys(p.wrong)) {
		t.Errorf("%s: no location: %s", p.wrong[text], strings.ReplaceAll(text, "\n", "⏎"))
	}
	if p.located < 3000 {
		t.Errorf("only %d errors have a location: the builds do not get far enough", p.located)
	}
}
