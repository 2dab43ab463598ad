package differential

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"slipway/internal/golden"
	"slipway/internal/slowtest"
)

// FuzzContexts checks that both frontends return the same result for any main context and
// any named context. The seed corpus consists of the contexts of the test cases in
// testdata.
func FuzzContexts(f *testing.F) {
	slowtest.Skip(f, "compares thousands of inputs")
	for _, c := range golden.Cases(f) {
		for _, key := range sortedKeys(c.Opts) {
			if name, ok := strings.CutPrefix(key, "context:"); ok {
				f.Add("", name, c.Opts[key], c.Opts["contextsubdir"])
			} else if key == "context" || strings.HasPrefix(c.Opts[key], "http") {
				f.Add(c.Opts[key], "src", "local:dir", c.Opts["contextsubdir"])
			}
		}
	}
	f.Fuzz(func(t *testing.T, main, name, value, subdir string) {
		if strings.ContainsAny(name, " =\n\r") || strings.ContainsRune(main+value, '@') || strings.Contains(main+value, "ssh:") {
			return // invalid in an option, or makes the LLB library query a host for its SSH keys
		}
		if !utf8.ValidString(main + name + value + subdir) {
			return // invalid UTF-8 cannot be an option
		}
		c, err := golden.Parse("context/fuzz", []byte(contextCase(main, name, value, subdir)))
		if err != nil {
			return // a path that cannot be a file name in the archive
		}
		o := Outcome{Case: c, Platform: "linux/amd64"}
		if err := o.judge(t.Context(), Upstream(), Ours()); err != nil {
			t.Fatal(err)
		}
		for _, kind := range Kinds() {
			if d, ok := o.Diffs[kind]; ok {
				t.Errorf("context %q, %q=%q, directory %q: %s (-upstream +ours):\n%s", main, name, value, subdir, kind, d)
			}
		}
	})
}

// contextCase returns a txtar test case with a main context and a named context. The parameters
// main and subdir are the values of the frontend options "context" and "contextsubdir". If
// subdir is "", the latter is not set. The parameters name and value describe the named
// context. Every possible main context contains the same Dockerfile, which uses both contexts.
func contextCase(main, name, value, subdir string) string {
	const dockerfile = "FROM src AS one\nFROM alpine\nCOPY --from=one a b\nCOPY c d\n"
	var b strings.Builder
	fmt.Fprintf(&b, "# A context\nopts: context=%q context:%s=%q build-arg:SOURCE_DATE_EPOCH=context\n", main, name, value)
	if subdir != "" {
		fmt.Fprintf(&b, "opts: contextsubdir=%q\n", subdir)
	}
	for _, dir := range []string{"", "git/", "input.dockerfile/"} {
		fmt.Fprintf(&b, "-- %sDockerfile --\n%s", dir, dockerfile)
	}
	if isWeb(main) {
		fmt.Fprintf(&b, "-- http/%s --\n%s", main, dockerfile)
	}
	b.WriteString("-- git.commit --\ntree 1\nauthor a <a> 1 +0000\ncommitter c <c> 1700000000 +0130\n\nx\n")
	b.WriteString("-- context.dir/a --\n-- input.in/a --\n")
	return b.String()
}

func isWeb(ref string) bool {
	return strings.HasPrefix(ref, "http://") || strings.HasPrefix(ref, "https://")
}
