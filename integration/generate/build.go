package generate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"slipway/internal/golden"
)

// Build is a generated Dockerfile with its frontend options and files.
type Build struct {
	Text     string
	Platform string            // frontend option platform; "" if not set
	Opts     map[string]string // all other frontend options
	Worker   []string          // platforms of the builder; nil for linux/amd64
	Missing  []string          // LLB capabilities that the builder lacks
	Files    map[string]string // context files and image configs, by name in the archive of a test case
}

// New generates build number n of the sequence that seed selects. Equal arguments give equal
// builds.
func New(seed, n uint64) *Build {
	g := &generator{
		Rand:   rand.New(rand.NewPCG(seed, n)), //nolint:gosec // must be reproducible
		opts:   map[string]string{},
		files:  map[string]string{},
		escape: `\`,
	}
	g.allowErrors = g.chance(4)
	b := &Build{Platform: g.platform(), Opts: g.opts, Files: g.files}
	g.windows = strings.HasPrefix(b.Platform, "windows") || g.chance(40)
	g.images()
	b.Text = g.dockerfile()
	g.options()
	if g.chance(6) {
		b.Worker = []string{g.pick("linux/arm64", "linux/amd64/v2", "windows/amd64", "linux/arm/v7")}
		if g.chance(2) {
			b.Worker = append(b.Worker, "linux/amd64")
		}
	}
	if g.chance(10) {
		b.Missing = g.sample(capabilities, 3)
	}
	return b
}

// Clone returns a deep copy of b.
func (b *Build) Clone() *Build {
	c := *b
	c.Opts, c.Files = maps.Clone(b.Opts), maps.Clone(b.Files)
	c.Worker, c.Missing = slices.Clone(b.Worker), slices.Clone(b.Missing)
	return &c
}

// Archive returns the build as a test case in the format of testdata. The parameter title is
// the first line of the case.
func (b *Build) Archive(title string) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, "# %s\n", title)
	for _, key := range slices.Sorted(maps.Keys(b.Opts)) {
		fmt.Fprintf(&s, "opts: %s=%s\n", key, quoteOption(b.Opts[key]))
	}
	platform := b.Platform
	if platform == "" {
		platform = "none"
	}
	fmt.Fprintf(&s, "platforms: %s\n", platform)
	if len(b.Worker) > 0 {
		fmt.Fprintf(&s, "worker: %s\n", strings.Join(b.Worker, " "))
	}
	if len(b.Missing) > 0 {
		fmt.Fprintf(&s, "caps: -%s\n", strings.Join(b.Missing, " -"))
	}
	var body strings.Builder
	writeFile(&s, &body, "Dockerfile", b.Text)
	for _, name := range slices.Sorted(maps.Keys(b.Files)) {
		writeFile(&s, &body, name, b.Files[name])
	}
	return []byte(s.String() + body.String())
}

// quoteOption returns v, quoted if the syntax of header lines requires quotes.
func quoteOption(v string) string {
	if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '"' || r == '`' || r == '\'' || r > '~' }) {
		return strconv.Quote(v)
	}
	return v
}

// writeFile adds a file to the files of a txtar test case. If txtar or an editor would change
// the content of the file, writeFile stores the content as Go string literals, and adds a line
// about this encoding to the header of the case.
func writeFile(header, body *strings.Builder, name, text string) {
	fmt.Fprintf(body, "-- %s --\n", name)
	if isPlain(text) {
		body.WriteString(text)
		return
	}
	fmt.Fprintf(header, "encoding: %s quoted\n", name)
	for line := range strings.Lines(text) {
		body.WriteString(strconv.Quote(line) + "\n")
	}
}

func isPlain(text string) bool {
	if text != "" && !strings.HasSuffix(text, "\n") {
		return false
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "-- ") || strings.TrimRight(line, " \t") != line {
			return false
		}
		for _, r := range line {
			if r != '\t' && (r < ' ' || r == 0x7f || r == 0xfeff || r == 0xfffd) {
				return false
			}
		}
	}
	return true
}

// Case returns the build as a test case. The parameter name has the form category/words.
func (b *Build) Case(name string) (*golden.Case, error) {
	return golden.Parse(name, b.Archive("A generated build"))
}

// generator is the state of generating one random build, such as the stages so far.
type generator struct {
	*rand.Rand
	opts, files map[string]string
	escape      string
	windows     bool
	allowErrors bool     // set if the build may contain errors
	stages      []string // names of the stages generated so far
	bases       []string // images whose config the test case contains
	inTrigger   bool
}

// chance returns true with probability 1/n.
func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

// chanceOfError returns true with a probability of 1/n. If the build must not contain errors,
// it always returns false.
func (g *generator) chanceOfError(n int) bool { return g.allowErrors && g.IntN(n) == 0 }

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

// sample returns random elements of a list without duplicates. It returns at least one element,
// and at most as many as the limit allows.
func (g *generator) sample(list []string, limit int) []string {
	var out []string
	for range 1 + g.IntN(limit) {
		if s := g.pick(list...); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// repeat calls f one to three times and joins the results with sep.
func (g *generator) repeat(sep string, f func() string) string {
	var list []string
	for range 1 + g.IntN(3) {
		list = append(list, f())
	}
	return strings.Join(list, sep)
}
