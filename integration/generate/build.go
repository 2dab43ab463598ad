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

// Build is a Dockerfile with its options and files.
type Build struct {
	Text     string
	Platform string            // value of the option platform; "" if not set
	Opts     map[string]string // all other options
	Worker   []string          // platforms of the worker; default linux/amd64
	Missing  []string          // capabilities that the daemon lacks
	Files    map[string]string // files of the archive: context files, images
}

// New generates the n-th build of a seed.
func New(seed, n uint64) *Build {
	g := &gen{
		Rand:   rand.New(rand.NewPCG(seed, n)), //nolint:gosec // must be reproducible
		opts:   map[string]string{},
		files:  map[string]string{},
		escape: `\`,
	}
	g.faults = g.chance(4)
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
		b.Missing = g.some(capabilities, 3)
	}
	return b
}

// Clone returns a copy that can be modified.
func (b *Build) Clone() *Build {
	c := *b
	c.Opts, c.Files = maps.Clone(b.Opts), maps.Clone(b.Files)
	c.Worker, c.Missing = slices.Clone(b.Worker), slices.Clone(b.Missing)
	return &c
}

// Archive returns the build as a case of the corpus.
func (b *Build) Archive(title string) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, "# %s\n", title)
	for _, key := range slices.Sorted(maps.Keys(b.Opts)) {
		fmt.Fprintf(&s, "opts: %s=%s\n", key, quoted(b.Opts[key]))
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

// quoted quotes the value of an option if the header requires it.
func quoted(v string) string {
	if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '"' || r == '`' || r == '\'' || r > '~' }) {
		return strconv.Quote(v)
	}
	return v
}

// writeFile adds a file. It uses Go string literals if an archive or an editor
// would corrupt the text.
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

// Case returns the build as a case with the given name, category/words.
func (b *Build) Case(name string) (*golden.Case, error) {
	return golden.Parse(name, b.Archive("A generated build"))
}

// gen generates one build.
type gen struct {
	*rand.Rand
	opts, files map[string]string
	escape      string
	windows     bool
	faults      bool     // whether the build may contain errors
	stages      []string // names of the stages so far
	bases       []string // images that the case defines
	inTrigger   bool
}

// chance returns true with probability 1/n.
func (g *gen) chance(n int) bool { return g.IntN(n) == 0 }

// fault returns true with probability 1/n in builds that may contain errors.
func (g *gen) fault(n int) bool { return g.faults && g.IntN(n) == 0 }

func (g *gen) pick(list ...string) string { return list[g.IntN(len(list))] }

// some returns between one and most different entries of a list.
func (g *gen) some(list []string, most int) []string {
	var out []string
	for range 1 + g.IntN(most) {
		if s := g.pick(list...); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// repeat joins one to three results of f.
func (g *gen) repeat(sep string, f func() string) string {
	var list []string
	for range 1 + g.IntN(3) {
		list = append(list, f())
	}
	return strings.Join(list, sep)
}
