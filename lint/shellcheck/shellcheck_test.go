package shellcheck_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/fix"
	"slipway/lint/rules"
	"slipway/lint/shellcheck"
	"slipway/source"
)

// fakeMode is the environment variable that makes the test program a ShellCheck. fakeLog is the
// file to which that appends its arguments and the text of scripts.
const (
	fakeMode = "SLIPWAY_TEST_SHELLCHECK"
	fakeLog  = "SLIPWAY_TEST_SHELLCHECK_LOG"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" {
		os.Exit(fake(mode, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// fake is a program with the command line and the output of ShellCheck.
func fake(mode string, args []string) int {
	log, err := os.OpenFile(os.Getenv(fakeLog), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 3
	}
	defer log.Close()
	if slices.Contains(args, "--version") {
		fmt.Printf("ShellCheck - shell script analysis tool\nversion: %s\n", mode)
		return 0
	}
	files := args[slices.Index(args, "--")+1:]
	fmt.Fprintf(log, "%s: %d\n", args[slices.Index(args, "-s")+1], len(files))
	switch mode {
	case "garbage":
		fmt.Print("{")
	case "stranger":
		fmt.Print(`{"comments":[{"file":"/9","line":2,"endLine":2,"column":1,"endColumn":1,"code":1}]}`)
	case "usage":
		fmt.Fprintln(os.Stderr, "unrecognized option\nusage")
		return 3
	case "flood":
		for range 32 {
			fmt.Print(strings.Repeat("x", 1<<20))
		}
	case "hang":
		time.Sleep(time.Minute)
	default:
		return answer(log, files)
	}
	return 0
}

// answer prints comments: 2086 with a correction about the first $V of a line without quotes, and
// 3037 about the first -e.
func answer(log *os.File, files []string) int {
	comments := []map[string]any{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return 2
		}
		fmt.Fprintf(log, "%s---\n", data)
		for i, line := range strings.Split(string(data), "\n") {
			for text, code := range map[string]int{"$V": 2086, "-e": 3037} {
				at := strings.Index(line, text)
				if at < 0 || strings.Contains(line, `"$V"`) {
					continue
				}
				column := utf8.RuneCountInString(line[:at]) + 1
				c := span(i+1, column, column+2)
				c["file"], c["level"], c["code"], c["message"] = file, "info", code, "the message"
				first, last := span(i+1, column, column), span(i+1, column+2, column+2)
				first["replacement"], last["replacement"] = `"`, `"`
				c["fix"] = map[string]any{"replacements": []any{first, last}}
				comments = append(comments, c)
			}
		}
	}
	if json.NewEncoder(os.Stdout).Encode(map[string]any{"comments": comments}) != nil {
		return 2
	}
	return 1
}

// span returns the location of a comment.
func span(line, column, endColumn int) map[string]any {
	return map[string]any{"line": line, "endLine": line, "column": column, "endColumn": endColumn}
}

// open returns a checker that runs the fake program, and a function that returns its log.
func open(t *testing.T, mode string, warn func(string)) (*shellcheck.Checker, func() string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv(fakeMode, mode)
	t.Setenv(fakeLog, log)
	t.Setenv("TMPDIR", dir)
	c, err := shellcheck.Open(program, warn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("temporary files left: %v, %v", left, err)
		}
	})
	return c, func() string {
		data, err := os.ReadFile(log)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(data)
	}
}

// settings switches off all rules except ShellCheck and those that report pragmas.
func settings() lint.Settings {
	s := lint.Settings{Severity: map[string]diag.Severity{}}
	for _, r := range lint.New(rules.All(), lint.Settings{}).Rules() {
		s.Severity[strings.ToLower(r.Name)] = lint.Off
	}
	s.Severity["unusedignore"] = diag.Info
	return s
}

// check returns the findings in a Dockerfile as CODE SEVERITY OFFSET TEXT.
func check(t *testing.T, c *shellcheck.Checker, s lint.Settings, text string) []string {
	t.Helper()
	res := lint.New(rules.All(), s).Lint(t.Context(), source.NewFile("Dockerfile", []byte(text)), lint.Options{ShellCheck: c})
	var list []string
	for _, f := range res.Findings {
		list = append(list, fmt.Sprintf("%s %s %d %s", f.Code, f.Severity, f.Range.Start, strings.TrimSpace(f.Range.String())))
	}
	return list
}

// fail is a warn function for programs that do not fail.
func fail(t *testing.T) func(string) { return func(text string) { t.Errorf("warning: %s", text) } }

// TestRanges checks the ranges and the corrections of comments: after tabs, letters of several
// bytes and continuation lines, in heredocs, in exec form and in scripts in scripts.
func TestRanges(t *testing.T) {
	const file = "FROM debian:12\n" +
		"RUN\techo \"ü\" \\\n    # comment\n\t🐳 $V\n" +
		"RUN <<-EOF\n\t\techo é $V\n\tEOF\n" +
		`RUN ["sh", "-c", "echo \"ü\" $V"]` + "\n" +
		"RUN bash -c 'echo $V'\n" +
		"ONBUILD RUN echo $V\n"
	c, _ := open(t, "0.9.0", fail(t))
	res := fix.Apply(t.Context(), lint.New(rules.All(), settings()), source.NewFile("Dockerfile", []byte(file)),
		fix.Options{Unsafe: true, Lint: lint.Options{ShellCheck: c}})
	var want []string
	for i := range file {
		if strings.HasPrefix(file[i:], "$V") {
			want = append(want, fmt.Sprintf("SC2086 info %d $V", i))
		}
	}
	got := check(t, c, settings(), file)
	// The outer script of bash -c has a comment about the same text.
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("findings (-want +got):\n%s", cmp.Diff(want, got))
	}
	if !strings.Contains(string(res.Text), "🐳 \"$V\"\n") || !strings.Contains(string(res.Text), "echo é \"$V\"\n\tEOF") {
		t.Errorf("fixed:\n%s", res.Text)
	}
	if !strings.Contains(string(res.Text), `"echo \"ü\" $V"]`) {
		t.Errorf("the string of an exec form was edited:\n%s", res.Text)
	}
}

// TestProcesses checks that scripts of one language share a process, that a script is checked
// once, and the first line with the names of variables and the options of the shell.
func TestProcesses(t *testing.T) {
	const file = "ARG SECRET=value\nFROM debian:12\nARG V=1\nENV W=2\nRUN echo a\nRUN echo b\nRUN echo a\n" +
		"SHELL [\"/bin/bash\", \"-eo\", \"pipefail\", \"-c\"]\nRUN echo c\nSHELL [\"/bin/zsh\", \"-c\"]\nRUN echo d\nRUN [\"echo\", \"e\"]\n"
	c, log := open(t, "0.9.0", fail(t))
	check(t, c, settings(), file)
	check(t, c, settings(), file)
	text := log()
	for want, n := range map[string]int{"sh: 2\n": 1, "bash: 1\n": 1, "---\n": 3, "; set -e; set -o pipefail\necho c\n---\n": 1, " V W": 3} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%q occurs %d times, want %d:\n%s", want, got, n, text)
		}
	}
	if strings.Contains(text, "value") || strings.Contains(text, "SECRET") {
		t.Errorf("values of variables, or variables that are not set: %s", text)
	}
}

// TestBusybox checks the language of BusyBox's shell, which old versions do not have.
func TestBusybox(t *testing.T) {
	const file = "FROM alpine:3.20\nSHELL [\"/bin/ash\", \"-c\"]\nRUN echo -e a\n"
	for version, language := range map[string]string{"0.9.0": "dash: 1\n", "0.10.0": "busybox: 1\n", "1.0": "busybox: 1\n", "": "dash: 1\n"} {
		if version == "" {
			version = "unknown"
		}
		c, log := open(t, version, fail(t))
		if got := check(t, c, settings(), file); len(got) > 0 || !strings.HasPrefix(log(), language) {
			t.Errorf("version %s: findings %v, log %q, want %q", version, got, log(), language)
		}
	}
}

// TestSettings checks severities and pragmas about codes of ShellCheck.
func TestSettings(t *testing.T) {
	const file = "FROM debian:12\n# shellcheck disable=SC2086 reason\nRUN echo $V\n# hadolint ignore=SC3037\nRUN echo $V\n"
	c, _ := open(t, "0.9.0", fail(t))
	unused := "UnusedIgnore info 62 # hadolint ignore=SC3037"
	for _, tc := range []struct {
		severity map[string]diag.Severity
		want     []string
	}{
		{nil, []string{unused, "SC2086 info 96 $V"}},
		{map[string]diag.Severity{"sc2086": diag.Error}, []string{unused, "SC2086 error 96 $V"}},
		{map[string]diag.Severity{"sc*": lint.Off, "sc20*": diag.Style}, []string{unused, "SC2086 style 96 $V"}},
		{map[string]diag.Severity{"sc*": diag.Error, "sc2086": lint.Off}, []string{unused}},
	} {
		s := settings()
		for name, severity := range tc.severity {
			s.Severity[name] = severity
		}
		if got := check(t, c, s, file); !slices.Equal(got, tc.want) {
			t.Errorf("settings %v: findings %q, want %q", tc.severity, got, tc.want)
		}
	}
	s := settings()
	s.Severity["sc*"] = lint.Off
	c, log := open(t, "0.9.0", fail(t))
	if check(t, c, s, file); log() != "" {
		t.Errorf("the program runs although all codes are off: %s", log())
	}
}

// TestFailures checks that a program that fails causes one warning and no finding.
func TestFailures(t *testing.T) {
	for mode, want := range map[string]string{
		"garbage": "invalid output", "stranger": `unexpected file "/9"`, "usage": "exit status 3: unrecognized option (scripts",
		"flood": "more than 16777216 bytes of output", "hang": "killed after 300ms",
	} {
		var warnings []string
		c, _ := open(t, mode, func(text string) { warnings = append(warnings, text) })
		if mode == "hang" {
			c.SetLimit(300 * time.Millisecond)
		}
		got := check(t, c, settings(), "FROM debian:12\nRUN echo $V\nSHELL [\"bash\", \"-c\"]\nRUN echo $V\n")
		if len(got) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0], want) {
			t.Errorf("%s: findings %v, warnings %q, want one with %q", mode, got, warnings, want)
		}
	}
	if _, err := shellcheck.Open(filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("a program that does not exist has no error")
	}
}

// TestCached checks that a cached checker starts no process and returns the comments that the other
// one has.
func TestCached(t *testing.T) {
	c, log := open(t, "0.10.0", func(text string) { t.Error(text) })
	const text = "FROM alpine\nRUN echo $V\n"
	if got := check(t, c.Cached(), settings(), text); len(got) > 0 || log() != "" {
		t.Errorf("before: %v, processes %q", got, log())
	}
	want := check(t, c, settings(), text)
	started := log()
	if got := check(t, c.Cached(), settings(), "# comment\n"+text); len(got) != len(want) || len(want) == 0 || log() != started {
		t.Errorf("after: %v, want %d as in %v, processes %q, want %q", got, len(want), want, log(), started)
	}
}
