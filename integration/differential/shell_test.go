package differential

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	upstream "github.com/moby/buildkit/frontend/dockerfile/shell"

	"slipway/internal/slowtest"
	"slipway/shell"
)

// shellModes contains all combinations of word expansion modes, including those that no
// caller uses.
var shellModes = func() []shell.Mode {
	var all []shell.Mode
	for m := range shell.KeepQuotes | shell.KeepEscapes | shell.KeepUnset | shell.NoQuotes + 1 {
		all = append(all, m)
	}
	return all
}()

// shellEnv is a set of variables, in the two types that our shell package and upstream's
// require.
type shellEnv struct {
	ours   shell.Map
	theirs upstream.EnvGetter
}

func newShellEnv(vars map[string]string) shellEnv {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, k+"="+vars[k])
	}
	return shellEnv{ours: vars, theirs: upstream.EnvsFromSlice(list)}
}

// TestShellTable checks that our shell package and upstream's expand words equally, in all
// modes and with both escape characters. The words come from the test table of our package.
func TestShellTable(t *testing.T) {
	f, err := os.Open("../../shell/testdata/expand.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	words := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		word, vars, ok := shellTableLine(lines.Text())
		if !ok {
			continue
		}
		words++
		compareShell(t, word, newShellEnv(vars))
	}
	if words < 250 {
		t.Errorf("the table has %d words, want 250", words)
	}
}

// shellTableLine parses a line of our shell package's test table into the word to expand and the
// variables. The format is "WORD | VARIABLES => RESULT". For a comment or an empty line, ok is
// false.
func shellTableLine(line string) (word string, vars map[string]string, ok bool) {
	if line == "" || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "@") {
		return "", nil, false
	}
	word, rest, ok := strings.Cut(line, " | ")
	if !ok {
		return "", nil, false
	}
	env := strings.TrimLeft(rest, " ")
	for _, sep := range []string{"=> ", "! "} {
		if i := strings.Index(env, sep); i == 0 || i > 0 && env[i-1] == ' ' {
			env = env[:i]
			break
		}
	}
	visible := strings.NewReplacer("·", " ", "⏎", "\n", "⇥", "\t", "⌫", "")
	vars = map[string]string{}
	for _, kv := range strings.Fields(env) {
		k, v, _ := strings.Cut(kv, "=")
		vars[k] = visible.Replace(v)
	}
	return visible.Replace(strings.TrimRight(word, " ")), vars, true
}

// discardStderr discards everything that this process writes to standard error until the test
// ends.
func discardStderr(t *testing.T) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = null
	t.Cleanup(func() {
		os.Stderr = stderr
		null.Close()
	})
}

// TestShellRandom checks that our shell package and upstream's expand random words of special
// characters equally.
func TestShellRandom(t *testing.T) {
	discardStderr(t) // upstream's scanner reports invalid UTF-8 there

	words := 200_000
	if testing.Short() {
		words = 2_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	envs := shellEnvs()
	for i := 0; i < words && !t.Failed(); i++ {
		mode, escape := shellModes[i%len(shellModes)], `\`+"`"
		compareShellIn(t, randomWord(r), envs[r.IntN(len(envs))], escape[r.IntN(2)], mode)
	}
}

func shellEnvs() []shellEnv {
	return []shellEnv{
		newShellEnv(nil),
		newShellEnv(map[string]string{"a": "x", "b": "", "c": "a b", "é": "/usr/lib", "_1": "*"}),
		newShellEnv(map[string]string{
			"a": "aab/ab\nbba", "b": " x\ty ", "c": `\*`, "d": "#a", "e": "$0[$1]$$",
			"é": "日本\u2003語", "_1": "?", "z": "}", "": "none",
		}),
		newShellEnv(map[string]string{"a": "a\nb\n\nab", "b": "a*\nb", "c": "**", "d": "%?", "é": "\ufeffa", "_1": "x\xffy\xe6", "1": "one", "@": "at"}),
	}
}

// randomWord returns a random word that consists of quotes, escapes, variables and other special
// parts.
func randomWord(r *rand.Rand) string {
	pieces := []string{
		"$", "${", "}", "{", ":", "-", "+", "?", "#", "%", "/", "//", `\`, "`", `'`, `"`, "<", "<<", "=",
		"a", "b", "c", "é", "_1", "1", "12", "@", "*", "$a", "$b", "$c", "$d", "$e", "${a}", "${u}", "$u", "$é", "$_1", "$z",
		"${a:-", "${b:-", "${u-", "${a:+", "${u+", "${u:?", "${a?", "${a#", "${a##", "${a%", "${a%%", "${a/", "${a//", "${é%", "${u#", "${u/", "${_1#", "${_1//",
		" ", "  ", "\t", "\n", "\r", "\u00a0", "\u2003", "日", "\xff", "\xe6\x97", "\ufeff", "\x00", `\}`, `\/`, `\*`, `\?`, `\\`, "EOF",
	}
	var b strings.Builder
	open := 0
	for n := 1 + r.IntN(12); n > 0; n-- {
		p := pieces[r.IntN(len(pieces))]
		if strings.HasPrefix(p, "${") && !strings.HasSuffix(p, "}") {
			open++
		}
		b.WriteString(p)
	}
	// Complete most words: for incomplete ones, both packages return the same error.
	if r.IntN(4) > 0 {
		b.WriteString(strings.Repeat("}", open))
	}
	return b.String()
}

// compareShell checks that our shell package and upstream's expand word equally in all modes.
func compareShell(t *testing.T, word string, env shellEnv) {
	t.Helper()
	for _, mode := range shellModes {
		for _, escape := range []byte("\\`") {
			compareShellIn(t, word, env, escape, mode)
		}
	}
}

// compareShellIn checks that our shell package and upstream's return the same value, variable
// names, fields and error for word in one mode.
func compareShellIn(t *testing.T, word string, env shellEnv, escape byte, mode shell.Mode) {
	t.Helper()
	ours := shell.Expander{Escape: escape, Mode: mode}
	theirs := upstream.NewLex(rune(escape))
	theirs.RawQuotes = mode&shell.KeepQuotes != 0
	theirs.RawEscapes = mode&shell.KeepEscapes != 0
	theirs.SkipUnsetEnv = mode&shell.KeepUnset != 0
	theirs.SkipProcessQuotes = mode&shell.NoQuotes != 0

	where := fmt.Sprintf("%q, escape %q, mode %04b, env %q", word, escape, mode, env.ours)
	want, wantErr := theirs.ProcessWordWithMatches(word, env.theirs)
	got, gotErr := ours.Expand(word, env.ours)
	sameText(t, where, "value", got.Value, want.Result)
	sameText(t, where, "error", faultText(gotErr), faultText(wantErr))
	sameText(t, where, "matched", listText(got.Matched), setText(want.Matched))
	unmatched := make([]string, len(got.Unmatched))
	for i, u := range got.Unmatched {
		unmatched[i] = u.Name
		if ref := word[u.Offset:u.End]; ref != "$"+u.Name && !strings.HasPrefix(ref, "${"+u.Name) {
			t.Errorf("%s: use of %q is at %q", where, u.Name, ref)
		}
	}
	sameText(t, where, "unmatched", listText(unmatched), setText(want.Unmatched))
	if e, ok := errors.AsType[*shell.Error](gotErr); ok && (e.Offset < 0 || e.Offset > len(word)) {
		t.Errorf("%s: error at %d", where, e.Offset)
	}

	wantWords, wantErr := theirs.ProcessWords(word, env.theirs)
	fields, gotErr := ours.Fields(word, env.ours)
	words := make([]string, len(fields))
	for i, f := range fields {
		words[i] = f.Text
		if f.Start < 0 || f.Start >= f.End || f.End > len(word) || i > 0 && f.Start < fields[i-1].Start {
			t.Errorf("%s: field %+v", where, f)
		}
	}
	sameText(t, where, "fields", fmt.Sprintf("%q", words), fmt.Sprintf("%q", append([]string{}, wantWords...)))
	sameText(t, where, "fields' error", faultText(gotErr), faultText(wantErr))
}

func sameText(t *testing.T, where, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s\n got %q\nwant %q", where, what, got, want)
	}
}

func faultText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func setText(set map[string]struct{}) string {
	return fmt.Sprintf("%q", slices.Sorted(maps.Keys(set)))
}

// listText returns the sorted elements of a list as text, in the same format in which setText
// formats a set. The text contains duplicate elements twice, so it differs from the text of the
// set of the elements.
func listText(list []string) string {
	return fmt.Sprintf("%q", slices.Sorted(slices.Values(list)))
}

// TestShellDepth checks that upstream's shell package accepts words that are nested as deeply
// as our limit permits.
func TestShellDepth(t *testing.T) {
	slowtest.Skip(t, "expands deeply nested words with upstream's code")
	const limit = 10_000
	env := newShellEnv(map[string]string{"a": "x"})
	for _, open := range []string{"${u:-", "${a+", "${a:?", "${a#", "${u//a/"} {
		word := strings.Repeat(open, limit) + strings.Repeat("}", limit)
		compareShellIn(t, word, env, '\\', 0)
	}
	quoted := strings.Repeat(`"${u:-`, limit) + strings.Repeat(`}"`, limit)
	compareShellIn(t, quoted, env, '\\', 0)
	// Upstream takes seconds for the full limit, so use a tenth of it.
	kept := strings.Repeat("${u:-", limit/10) + strings.Repeat("}", limit/10)
	compareShellIn(t, kept, env, '\\', shell.KeepUnset)
}

// shellWords contains words that are typical of Dockerfiles.
var shellWords = []struct{ name, word string }{
	{"plain", "/usr/local/bin/docker-entrypoint.sh"},
	{"variable", "$VERSION"},
	{"path", "/opt/app-${VERSION}/bin:$PATH"},
	{"default", "${VERSION:-${OTHER:-latest}}"},
	{"quoted", `"a quoted \"text\" with $VERSION" and 'more' of\ it`},
	{"suffix", "${VERSION%.*}"},
	{"replace", "${PATH//:/;}"},
}

var shellVars = map[string]string{"VERSION": "1.28.3", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"}

// BenchmarkShellOurs measures word expansion by our shell package, for comparison with
// BenchmarkShellUpstream.
func BenchmarkShellOurs(b *testing.B) {
	env := newShellEnv(shellVars)
	for _, w := range shellWords {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (shell.Expander{Escape: '\\'}).Expand(w.word, env.ours); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkShellUpstream measures word expansion by upstream's shell package.
func BenchmarkShellUpstream(b *testing.B) {
	env := newShellEnv(shellVars)
	for _, w := range shellWords {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			lex := upstream.NewLex('\\')
			for b.Loop() {
				if _, err := lex.ProcessWordWithMatches(w.word, env.theirs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
