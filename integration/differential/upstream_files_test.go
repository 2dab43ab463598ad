package differential

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	distref "github.com/distribution/reference"

	"slipway/internal/golden"
	"slipway/internal/slowtest"
)

// upstreamDir returns the source directory of docker/dockerfile in the module cache.
func upstreamDir(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/moby/buildkit").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "frontend", "dockerfile")
}

// TestUpstreamWords checks that our shell package and upstream's expand the words in
// upstream's own test tables equally, in all modes.
func TestUpstreamWords(t *testing.T) {
	slowtest.Skip(t, "compares thousands of inputs")
	dir, words := filepath.Join(upstreamDir(t), "shell"), 0
	envs := shellEnvs()
	envs = append(envs, newShellEnv(map[string]string{"PWD": "/home", "SHELL": "bash", "KOREAN": "한국어", "NULL": "", "hi": "hi", "space": "abc  def"}))
	for _, table := range []string{"envVarTest", "wordsTest"} {
		f, err := os.Open(filepath.Join(dir, table))
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			word, _, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "A|"), "|")
			if !ok {
				continue
			}
			words++
			for _, env := range envs {
				compareShell(t, strings.TrimRight(word, " "), env)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if words < 200 {
		t.Errorf("the tables have %d words, want 200: their form has changed", words)
	}
}

// TestUpstreamDockerfiles checks that both frontends return the same results for the
// Dockerfiles in upstream's own tests and manual, which cover most features.
func TestUpstreamDockerfiles(t *testing.T) {
	slowtest.Skip(t, "compares thousands of inputs")
	texts := upstreamDockerfiles(t, upstreamDir(t))
	if len(texts) < 500 {
		t.Errorf("found %d Dockerfiles, want 500: their form has changed", len(texts))
	}
	var cases []*golden.Case
	for i, text := range texts {
		c, err := golden.Parse(fmt.Sprintf("lex/upstream-%d", i), upstreamArchive(text))
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	outcomes, err := Judge(t.Context(), Upstream(), Ours(), cases, runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	builds := 0
	for _, o := range outcomes {
		if !o.Fails {
			builds++
		}
		for _, kind := range Kinds() {
			// If several images do not exist, upstream's error is about a random one.
			if diff, ok := o.Diffs[kind]; ok && kind != ErrorLocations {
				t.Errorf("%s for %q:\n%s\n%s", kind, o.Platform, diff, o.Case.Dockerfile())
			}
		}
	}
	if builds < len(outcomes)/2 {
		t.Errorf("only %d of %d builds do not fail", builds, len(outcomes))
	}
}

// upstreamDockerfiles returns Dockerfiles from three sources below dir: files named
// Dockerfile, strings in tests, and examples in the manual. They are sorted and have no
// duplicates.
func upstreamDockerfiles(t *testing.T, dir string) []string {
	t.Helper()
	var texts []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		base := filepath.Base(name)
		isTest, isManual := strings.HasSuffix(base, "_test.go"), strings.HasSuffix(base, ".md")
		if !isTest && !isManual && base != "Dockerfile" {
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		switch {
		case isTest:
			found, err := stringsOfGo(name, data)
			texts = append(texts, found...)
			return err
		case isManual:
			for _, m := range manualExample.FindAllSubmatch(data, -1) {
				texts = append(texts, string(m[1]))
			}
		default:
			texts = append(texts, string(data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Omit builds whose warnings are errors. They belong to tests of the build checks.
	texts = slices.DeleteFunc(texts, func(text string) bool {
		return strings.Contains(text, ";error=true") || strings.Contains(text, "check=error=true")
	})
	slices.Sort(texts)
	return slices.Compact(texts)
}

var (
	manualExample = regexp.MustCompile("(?s)```[Dd]ockerfile[^\n]*\n(.*?)```")
	fromLine      = regexp.MustCompile(`(?mi)^\s*FROM\s+(?:--\S+\s+)*(\S+)`)
	formatText    = regexp.MustCompile(`%(\[\d\])?[sqv]`) // fmt verbs, most of which stand for images
	formatNumber  = regexp.MustCompile(`%(\[\d\])?[dx]`)
)

// stringsOfGo returns the string literals in a Go file that contain a FROM instruction and
// therefore are Dockerfiles. It replaces formatting verbs such as %s with ordinary text.
func stringsOfGo(name string, data []byte) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, data, 0)
	if err != nil {
		return nil, err
	}
	var texts []string
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		if err == nil && fromLine.MatchString(text) {
			text = formatText.ReplaceAllString(text, "busybox")
			texts = append(texts, formatNumber.ReplaceAllString(text, "7"))
		}
		return true
	})
	return texts, nil
}

// upstreamArchive returns a txtar test case that builds a Dockerfile. The archive contains an
// image config for each base image of the Dockerfile that is not a default image of the test
// cases.
func upstreamArchive(text string) []byte {
	var images strings.Builder
	seen := map[string]bool{}
	for _, m := range fromLine.FindAllStringSubmatch(text, -1) {
		named, err := distref.ParseNormalizedNamed(m[1])
		if err != nil || seen[distref.FamiliarString(named)] {
			continue
		}
		if _, err := golden.DefaultImages().Resolve(m[1], nil); err == nil {
			continue
		}
		seen[distref.FamiliarString(named)] = true
		fmt.Fprintf(&images, "-- images/%s.json --\n%s\n", distref.FamiliarString(named), upstreamImage)
	}
	return fmt.Appendf(nil, "# A Dockerfile of upstream\nplatforms: linux/amd64\n"+
		"encoding: Dockerfile quoted\n-- Dockerfile --\n%q\n%s", text, images.String())
}

const upstreamImage = `{"os":"linux","architecture":"amd64","config":{"Env":["A=b"],"WorkingDir":"/w"},` +
	`"rootfs":{"type":"layers","diff_ids":["sha256:1111111111111111111111111111111111111111111111111111111111111111"]}}`
