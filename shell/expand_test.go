package shell_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/internal/memtest"
	"slipway/internal/slowtest"
	"slipway/shell"
)

// TestNames checks which variables of a word Expand reports as set, and which as unset.
func TestNames(t *testing.T) {
	env := shell.Map{"a": "x", "e": ""}
	for _, tc := range []struct {
		word      string
		mode      shell.Mode
		matched   []string
		unmatched []shell.Use
	}{
		{word: "plain"},
		{word: "$a", matched: []string{"a"}},
		{word: "$u", unmatched: []shell.Use{{"u", 0, 2}}},
		{word: "x${u}y", unmatched: []shell.Use{{"u", 1, 5}}},
		{word: "$e$a$e", matched: []string{"e", "a"}},
		{word: "$u $v ${u}", unmatched: []shell.Use{{"u", 0, 2}, {"v", 3, 5}}},
		{word: "${u:-$v}", unmatched: []shell.Use{{"u", 0, 8}, {"v", 5, 7}}},
		{word: "${u:-$u}", unmatched: []shell.Use{{"u", 0, 8}}},
		{word: "${a:-$u}", matched: []string{"a"}, unmatched: []shell.Use{{"u", 5, 7}}},
		{word: "${a+$e}", matched: []string{"a", "e"}},
		{word: "${u+$v}", unmatched: []shell.Use{{"u", 0, 7}, {"v", 4, 6}}},
		{word: "${a#$u}${v/$w/$e}", matched: []string{"a", "e"}, unmatched: []shell.Use{{"u", 4, 6}, {"v", 7, 17}, {"w", 11, 13}}},
		{word: "$u", mode: shell.KeepUnset, unmatched: []shell.Use{{"u", 0, 2}}},
		{word: `'$a' \$a "$u"`, unmatched: []shell.Use{{"u", 10, 12}}},
		{word: "$1$@", unmatched: []shell.Use{{"1", 0, 2}, {"@", 2, 4}}},
		{word: "${+x}", unmatched: []shell.Use{{"", 0, 5}}},
		// Expand reports the variables before the error. It reports the invalid
		// expression only if the error is in its value.
		{word: "$u ${v:?$a}", matched: []string{"a"}, unmatched: []shell.Use{{"u", 0, 2}, {"v", 3, 11}}},
		{word: "${v:-$u${w=}}", unmatched: []shell.Use{{"u", 5, 7}}},
		{word: `$u"`, unmatched: []shell.Use{{"u", 0, 2}}},
	} {
		t.Run(tc.word, func(t *testing.T) {
			res, _ := shell.Expander{Mode: tc.mode}.Expand(tc.word, env)
			if diff := cmp.Diff(tc.matched, res.Matched); diff != "" {
				t.Errorf("matched (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.unmatched, res.Unmatched); diff != "" {
				t.Errorf("unmatched (-want +got):\n%s", diff)
			}
		})
	}
}

// TestManyNames checks that Expand reports each unset variable once, in order, even if the
// word has more than maxLinear variables.
func TestManyNames(t *testing.T) {
	var word strings.Builder
	var want []shell.Use
	for i := range 100 {
		name := fmt.Sprintf("v%d", i)
		want = append(want, shell.Use{Name: name, Offset: word.Len(), End: word.Len() + len(name) + 1})
		word.WriteString("$" + name)
	}
	res, err := shell.Expander{}.Expand(word.String()+word.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, res.Unmatched); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestErrorText checks that the error for an invalid word contains upstream's text and the
// offset of the cause.
func TestErrorText(t *testing.T) {
	_, err := shell.Expander{}.Expand("a\t\"${b\xff", nil)
	e, ok := errors.AsType[*shell.Error](err)
	if !ok {
		t.Fatalf("%v is not a *shell.Error", err)
	}
	want := `failed to process "a\t\"${b\xff": unsupported modifier (` + "\ufffd" + `) in substitution`
	if e.Error() != want || e.Offset != 6 {
		t.Errorf("got %s at %d\nwant %s at 6", e, e.Offset, want)
	}
}

// TestNotUTF8 checks the expansion of words with invalid UTF-8, which the table in testdata
// cannot contain.
func TestNotUTF8(t *testing.T) {
	env := shell.Map{"v": "x\xffy"}
	for _, tc := range []struct{ word, want string }{
		{"a\xffb", "a\ufffdb"},
		{"'a\xff\xfe'", "a\ufffd\ufffd"},
		{"\"\xe6\x97\"", "\ufffd\ufffd"},
		{"\\\xff", "\ufffd"},
		{"\ufeffa", "a"},
		{"\ufeff\ufeffa", "\ufeffa"},
		{"a\ufeff", "a\ufeff"},
		{"\ufeff$v", "x\xffy"},
		{"$v", "x\xffy"},
		{"${v#x?}", "y"},
		{"${v#x\xff}", "y"},
		{"${v/\xff/-}", "x-y"},
		{"${v%y}", "x\ufffd"},
		{"a\x00$v", "a\x00x\xffy"},
	} {
		res, err := shell.Expander{}.Expand(tc.word, env)
		if err != nil || res.Value != tc.want {
			t.Errorf("%q: got %q, %v, want %q", tc.word, res.Value, err, tc.want)
		}
	}
}

// TestEnv checks that each implementation of Env finds its variables.
func TestEnv(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  shell.Env
		want string
	}{
		{"nil", nil, "[-]"},
		{"nil map", shell.Map(nil), "[-]"},
		{"map", shell.Map{"a": "x"}, "[x]"},
		{"empty value", shell.Map{"a": ""}, "[]"},
		{"nil list", shell.List(nil), "[-]"},
		{"list", shell.List{"b=y", "a=x=z"}, "[x=z]"},
		{"last entry", shell.List{"a=x", "a=y"}, "[y]"},
		{"no value", shell.List{"a=x", "a"}, "[]"},
		{"other case", shell.List{"A=x"}, "[-]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, err := shell.Expander{}.Expand("[${a--}]", tc.env)
			if err != nil || res.Value != tc.want {
				t.Errorf("got %q, %v, want %q", res.Value, err, tc.want)
			}
		})
	}
}

// TestSplit checks the fields into which Split divides a line. Quotes and escapes must
// remain in the fields.
func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		line string
		want []shell.Field
	}{
		{"", nil},
		{"RUN  cat <<EOF", []shell.Field{{"RUN", 0, 3}, {"cat", 5, 8}, {"<<EOF", 9, 14}}},
		{"a <<\t E b", []shell.Field{{"a", 0, 1}, {"<<\t E", 2, 7}, {"b", 8, 9}}},
		{`x <<'E F' "$y"`, []shell.Field{{"x", 0, 1}, {"<<'E F'", 2, 9}, {`"$y"`, 10, 14}}},
		{`x\ y$z`, []shell.Field{{`x\ y$z`, 0, 6}}},
		{"a${b:-c d}e f", []shell.Field{{"${b:-c", 1, 7}, {"d}e", 8, 11}, {"f", 12, 13}}},
		{`${b:-\c d}e`, []shell.Field{{"${b:-c", 0, 10}, {"d}e", 0, 11}}},
		{"é\u2003日", []shell.Field{{"é", 0, 2}, {"日", 5, 8}}},
		{"\ufeffa \xff", []shell.Field{{"a", 3, 4}, {"\ufffd", 5, 6}}},
	} {
		got, err := shell.Split(tc.line)
		if err != nil {
			t.Errorf("%q: %v", tc.line, err)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.line, diff)
		}
	}
	if got, err := shell.Split(`a "b`); err == nil || got != nil {
		t.Errorf("unbalanced: %v, %v", got, err)
	}
}

// TestDepth nests operands, such as w in ${v-w}, up to the limit and beyond. Without the
// limit, the deepest word would crash the process.
func TestDepth(t *testing.T) {
	slowtest.Skip(t, "parses words of megabytes")
	const limit = 10_000
	for _, depth := range []int{limit, limit + 1, 100_000, 3_000_000} {
		for _, open := range []string{"${u:-", `"${u:-`, "${u#", "${u/a/"} {
			closing := "}"
			if open[0] == '"' {
				closing = `}"`
			}
			word := strings.Repeat(open, depth) + strings.Repeat(closing, depth)
			_, err := shell.Expander{}.Expand(word, nil)
			e, isError := errors.AsType[*shell.Error](err)
			if isError != (depth > limit) {
				t.Fatalf("%d times %s: error %t", depth, open, isError)
			}
			if isError && e.Msg != "substitutions are nested more than 10000 deep" {
				t.Errorf("%d times %s: %s", depth, open, e.Msg)
			}
		}
	}
}

// TestLength checks that Expand and Fields return an error if the result becomes too
// long.
func TestLength(t *testing.T) {
	slowtest.Skip(t, "expands words up to the limit")
	mib := strings.Repeat("x", 1<<20)
	env := shell.Map{"v": mib, "w": mib + "x", "r": strings.Repeat("$0", 1000)}
	for _, word := range []string{
		strings.Repeat("$w", 5),
		"a" + strings.Repeat("$v", 5),
		"${v//x/$r}",
		"${v//*/$r}",
		"${v//x/$v}",
		"${u:-" + strings.Repeat("$w", 5) + "}",
	} {
		for what, err := range map[string]error{
			"Expand": second(shell.Expander{}.Expand(word, env)),
			"Fields": second(shell.Expander{}.Fields(word, env)),
		} {
			e, ok := errors.AsType[*shell.Error](err)
			if !ok || e.Msg != "result is more than 4 MiB longer than the word" {
				t.Errorf("%s(%.20q): error %v, want the limit of 4 MiB", what, word, ok)
			}
		}
	}
	for _, word := range []string{"$v$v$v$v", "'" + strings.Repeat("a", 5<<20) + "'", strings.Repeat("\xff", 5<<20)} {
		if _, err := (shell.Expander{}).Expand(word, env); err != nil {
			t.Errorf("Expand(%.20q): unexpected error of type %T", word, err)
		}
	}
}

// second returns err, the second result of a call, and ignores the first result.
func second[T any](_ T, err error) error { return err }

// TestLinear checks that the memory for an expansion is linear in the length: a word of
// four times the length allocates about four times as much memory.
func TestLinear(t *testing.T) {
	nested := func(n int, open string) string {
		return strings.Repeat(open, n/16) + strings.Repeat("x", n) + strings.Repeat("}", n/16)
	}
	for name, word := range map[string]func(n int) string{
		"names":          manyNames,
		"operands":       func(n int) string { return strings.Repeat("${a:-b}", n) },
		"text in nested": func(n int) string { return nested(n, "${u:-x") },
		"kept in nested": func(n int) string { return nested(n, "${a:-x") },
		"suffix":         func(int) string { return "${v%/*}${v%%/*}" },
		"replacement":    func(int) string { return "${v//a/b}${lines//a*c/d}${lines//b⏎/d}" },
		"many stars":     func(int) string { return "${v#$stars}${v##$stars}${v%$stars}${v//$stars/x}" },
	} {
		small := allocated(t, word(1<<12), 1<<12, 0)
		if large := allocated(t, word(1<<14), 1<<14, 6*small); large > 6*small {
			t.Errorf("%s: %d bytes, and %d for four times the length, want at most %d", name, small, large, 6*small)
		}
	}
}

// allocated returns the number of bytes allocated by the expansion of a word with values of
// about n bytes. The number is the smallest of several measurements. They end early if an
// expansion allocates no more bytes than the limit, the parameter enough.
func allocated(t *testing.T, word string, n int, enough uint64) uint64 {
	text := toChars.Replace(word)
	env := shell.Map{"v": strings.Repeat("a/", n), "lines": strings.Repeat("ab\n", n), "stars": strings.Repeat("*a", n) + "b"}
	return memtest.Allocated(func() {
		if _, err := (shell.Expander{Mode: shell.KeepUnset}).Expand(text, env); err != nil {
			t.Errorf("%.20s: %v", text, err)
		}
	}, enough)
}

// manyNames returns a word with n different variables.
func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "$v%d", i)
	}
	return b.String()
}

// TestAllocations checks that the expansion of a common word needs only a few allocations,
// because a build expands many words.
func TestAllocations(t *testing.T) {
	env := shell.Map{"a": "x", "path": "/usr/bin"}
	for _, tc := range []struct {
		word string
		mode shell.Mode
		most float64
	}{
		{"plain/word-1.2:3", 0, 0},
		{"日本語", 0, 0},
		{`it's "quoted"`, shell.NoQuotes, 0},
		{"$a", 0, 1},                     // for the name
		{`"quoted word" a\ b`, 0, 2},     // for the value and its buffer
		{"${path}:/opt/${a:-b}/c", 0, 5}, // also for the names
	} {
		x := shell.Expander{Mode: tc.mode}
		got := testing.AllocsPerRun(100, func() {
			if _, err := x.Expand(tc.word, env); err != nil {
				t.Fatal(err)
			}
		})
		if got > tc.most {
			t.Errorf("%s: %v allocations, want at most %v", tc.word, got, tc.most)
		}
	}
}

func ExampleExpander_Expand() {
	env := shell.List{"VERSION=v1.28.3"}
	res, err := shell.Expander{}.Expand("app-${VERSION#v}-${ARCH:-amd64}.tar", env)
	fmt.Println(res.Value, res.Matched, res.Unmatched, err)
	// Output: app-1.28.3-amd64.tar [VERSION] [{ARCH 17 31}] <nil>
}

func ExampleExpander_Fields() {
	fields, err := shell.Expander{}.Fields("$PORTS 9000", shell.List{"PORTS=80 443/udp"})
	fmt.Println(fields, err)
	// Output: [{80 0 6} {443/udp 0 6} {9000 7 11}] <nil>
}
