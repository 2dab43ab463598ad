package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeFiles writes files below a new directory and makes it the working directory. The default
// state directory does not exist.
func writeFiles(t *testing.T, files map[string]string) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(root, ".cache"))
}

// sudoFile is a Dockerfile with an error, a warning and an info.
const sudoFile = "FROM debian:12\nUSER root\nRUN sudo apt-get install --no-install-recommends curl\n"

// TestLint checks the exit code and the output of slipway lint for files and flags.
func TestLint(t *testing.T) {
	writeFiles(t, map[string]string{
		"Dockerfile": sudoFile, "clean/Dockerfile": "FROM scratch\n", "sub/app.dockerfile": "FROM debian\n", "sub/Dockerfile.go": "package x\n",
		"hadolint/.hadolint.yaml": "ignored: [DL3002, DL3004, DL3014]\n", "hadolint/Dockerfile": sudoFile,
		"own/.slipway.yaml": "fail-on: error\nrules: { NoSudo: off }\nfiles: [{ match: '*.dev', rules: { DL3008: off } }]\nexclude: ['x/**']\n",
		"own/Dockerfile":    sudoFile, "own/Dockerfile.dev": sudoFile, "own/x/Dockerfile": sudoFile,
		"bad/.slipway.yaml": "rulez: {}\n", "bad/Dockerfile": "FROM scratch\n",
		"gone/.slipway.yaml": "context: nowhere\n", "gone/Dockerfile": "FROM scratch\n",
		"empty/README": "", ".git/HEAD": "",
	})
	for _, tc := range []struct {
		args string
		code int
		out  []string // in standard output; a text that starts with ! must be missing
		told string   // in standard error
	}{
		{"clean", 0, []string{"no findings in 1 file"}, ""},
		{"Dockerfile", 1, []string{"[NoSudo, DL3004]", "[FinalUserIsRoot, DL3002]", "[UnpinnedApt, DL3008]", "1 error, 2 warnings, 1 info in 1 file"}, ""},
		{"sub", 1, []string{"sub/app.dockerfile:1:6", "!Dockerfile.go", "in 1 file"}, ""},
		{"**/app.*", 1, []string{"in 1 file"}, ""},
		{"Dockerfile clean Dockerfile", 1, []string{"in 2 files"}, ""},
		{"--fail-on error --ignore NoSudo Dockerfile", 0, []string{"2 warnings, 1 info"}, ""},
		{"--no-fail Dockerfile", 0, []string{"1 error"}, ""},
		{"--only DL30* --ignore DL3002,nosudo,DL3014 -t info Dockerfile", 1, []string{"1 info", "!warning"}, ""},
		{"--info DL3004 --info DL3002 --info DL3014 Dockerfile", 0, []string{"4 infos"}, ""},
		{"hadolint", 1, []string{"1 warning in 1 file", "warning: packages without a version"}, ""},
		{"--no-config hadolint", 1, []string{"1 error, 2 warnings"}, ""},
		{"-v own", 0, []string{"4 warnings, 1 info in 2 files", "!own/x"}, "own/.slipway.yaml"},
		{"bad", 2, nil, `unknown key "rulez" (did you mean rules?)`},
		{"empty", 2, nil, "no Dockerfile found"},
		{"missing", 2, nil, "missing"},
		{"--context nowhere Dockerfile", 2, nil, "--context: stat nowhere: no such file"},
		{"--context Dockerfile Dockerfile", 2, nil, "--context: Dockerfile is not a directory"},
		{"gone", 2, nil, "nowhere: no such file"},
		{"--ignore DL9999 .", 2, nil, `unknown rule "DL9999"`},
		{"-f sarrif .", 2, nil, "did you mean sarif?"},
		{"-f codacy .", 2, nil, "use sarif"},
		{"-t maybe .", 2, nil, "unknown severity"},
		{"--profile best .", 2, nil, "unknown profile"},
		{"--explain DL3004", 0, []string{"# NoSudo"}, ""},
		{"--explain DL4004", 0, []string{"# MultipleInstructionsDisallowed"}, ""},
		{"--explain stagenamecasing", 0, []string{"# StageNameCasing"}, ""},
		{"--explain nosudoo", 2, nil, "did you mean nosudo?"},
		{"--list-rules", 0, []string{"UnpinnedApt", "DL3008"}, ""},
		{"-q Dockerfile", 1, []string{"!error"}, ""},
		{"--profile none --enable DL3057 clean", 1, []string{"[HealthcheckMissing, DL3057]"}, ""},
		{"--trusted-registry quay.io --only DL3026 Dockerfile", 1, []string{"docker.io is not trusted"}, ""},
		{"--require-label a:text --only DL3049 -t info Dockerfile", 1, []string{"label a is missing"}, ""},
		{"--require-label a:int Dockerfile", 2, nil, "want KEY:TYPE"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			code, out, told := slipwayOut(t, append([]string{"lint"}, strings.Fields(tc.args)...)...)
			if code != tc.code || !strings.Contains(told, tc.told) {
				t.Errorf("exit code %d, want %d; standard error %q, want …%s…", code, tc.code, told, tc.told)
			}
			for _, want := range tc.out {
				if text, missing := strings.CutPrefix(want, "!"); missing == strings.Contains(out, text) {
					t.Errorf("standard output %q, want …%s…", out, want)
				}
			}
		})
	}
}

// TestLintFormats checks that several reports are written, to standard output and to files.
func TestLintFormats(t *testing.T) {
	writeFiles(t, map[string]string{"Dockerfile": sudoFile, ".git/HEAD": ""})
	code, out, _ := slipwayOut(t, "lint", "-f", "json=report.json", "-f", "github", "Dockerfile")
	data, err := os.ReadFile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	var findings []struct {
		Code, Rule, Level string
		Line, Column      int
	}
	if err := json.Unmarshal(data, &findings); err != nil {
		t.Fatal(err)
	}
	if code != 1 || len(findings) != 4 || findings[0].Code != "DL3002" || findings[0].Rule != "FinalUserIsRoot" || findings[0].Line != 2 || findings[0].Column != 6 || findings[0].Level != "warning" {
		t.Errorf("exit code %d, findings %+v", code, findings)
	}
	if !strings.Contains(out, "::error file=Dockerfile,line=3,endLine=3,col=5,endColumn=9,title=NoSudo%2C DL3004::") {
		t.Errorf("workflow commands: %s", out)
	}
}

// TestLintFix checks that fixes are written, printed or shown as a diff.
func TestLintFix(t *testing.T) {
	const fixed = "FROM debian:12\nUSER root\nRUN apt-get install -y --no-install-recommends curl\n"
	writeFiles(t, map[string]string{"Dockerfile": sudoFile, ".git/HEAD": ""})
	read := func() string {
		t.Helper()
		data, err := os.ReadFile("Dockerfile")
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	code, out, _ := slipwayOut(t, "lint", "--fix", "--diff", "Dockerfile")
	if code != 1 || read() != sudoFile || !strings.Contains(out, "-RUN sudo apt-get install --no") || !strings.Contains(out, "+RUN apt-get install -y --no") {
		t.Errorf("with --diff: exit code %d, output %s, file %q", code, out, read())
	}
	slipway(t, "lint", "--fix-only", "DL3014", "Dockerfile")
	if want := strings.Replace(fixed, "RUN ", "RUN sudo ", 1); read() != want {
		t.Errorf("with --fix-only: %q, want %q", read(), want)
	}
	if code, told := slipway(t, "lint", "--fix", "-t", "error", "Dockerfile"); code != 0 || read() != fixed {
		t.Errorf("with --fix: exit code %d, file %q, want %q; %s", code, read(), fixed, told)
	}
	info, err := os.Stat("Dockerfile")
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, error %v, want 0640", info.Mode(), err)
	}
	if code, _, _ := slipwayOut(t, "lint", "--fix", "--diff", "-t", "error", "Dockerfile"); code != 0 {
		t.Errorf("--diff without changes: exit code %d", code)
	}
}

// TestLintStdin checks a Dockerfile on standard input, also with --fix.
func TestLintStdin(t *testing.T) {
	writeFiles(t, map[string]string{"in": sudoFile, ".git/HEAD": ""})
	stdin := func(args ...string) (int, string, string) {
		t.Helper()
		f, err := os.Open("in")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		old := os.Stdin
		os.Stdin = f
		defer func() { os.Stdin = old }()
		return slipwayOut(t, append([]string{"lint"}, args...)...)
	}
	if code, out, _ := stdin("--stdin-filename", "app/Dockerfile", "-"); code != 1 || !strings.Contains(out, "app/Dockerfile:3:5: error") {
		t.Errorf("exit code %d, output %s", code, out)
	}
	code, out, told := stdin("--fix", "-")
	if code != 1 || !strings.HasPrefix(out, "FROM debian:12\n") || strings.Contains(out, "sudo") || !strings.Contains(told, "FinalUserIsRoot") {
		t.Errorf("--fix: exit code %d, output %q, standard error %q", code, out, told)
	}
}

// TestLintBaseline checks that findings in a baseline are not reported, and that new ones are.
func TestLintBaseline(t *testing.T) {
	writeFiles(t, map[string]string{"Dockerfile": sudoFile, ".git/HEAD": ""})
	if code, out, told := slipwayOut(t, "lint", "--write-baseline", "Dockerfile"); code != 0 || !strings.Contains(out, "4 findings") {
		t.Fatalf("exit code %d, output %s %s", code, out, told)
	}
	if code, out, _ := slipwayOut(t, "lint", "--baseline", ".slipway-baseline.json", "Dockerfile"); code != 0 || !strings.Contains(out, "no findings in 1 file (4 hidden by the baseline)") {
		t.Errorf("with the baseline: exit code %d, output %s", code, out)
	}
	changed := "FROM debian:12\n\nUSER root\nRUN sudo apt-get install --no-install-recommends curl\nRUN sudo x\n"
	if err := os.WriteFile("Dockerfile", []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := slipwayOut(t, "lint", "--baseline", ".slipway-baseline.json", "Dockerfile"); code != 1 || !strings.Contains(out, "1 error in 1 file (4 hidden") && !strings.Contains(out, "1 error, 1 style in 1 file (4 hidden") {
		t.Errorf("with a new finding: exit code %d, output %s", code, out)
	}
}

// TestLintContext checks rules that need the files of the context.
func TestLintContext(t *testing.T) {
	writeFiles(t, map[string]string{
		"Dockerfile": "FROM debian:12\nWORKDIR /a\nCOPY pakcage.json a.txt ./\n", "a.txt": "", "package.json": "{}", "x/package.json": "", ".git/HEAD": "",
	})
	if code, out, _ := slipwayOut(t, "lint", "Dockerfile"); code != 1 || !strings.Contains(out, "did you mean package.json?") {
		t.Errorf("exit code %d, output %s", code, out)
	}
	if code, out, _ := slipwayOut(t, "lint", "--context", "x", "Dockerfile"); code != 1 || !strings.Contains(out, "the context has no a.txt") {
		t.Errorf("with --context: exit code %d, output %s", code, out)
	}
}

// TestLintEnvironment checks that hadolint's variables override the configuration, and that flags
// override the variables.
func TestLintEnvironment(t *testing.T) {
	writeFiles(t, map[string]string{"Dockerfile": sudoFile, ".slipway.yaml": "formats: [gnu, json]\nrules: { DL3002: info }\n", ".git/HEAD": ""})
	t.Setenv("HADOLINT_IGNORE", "DL3004,DL3014")
	if code, out, told := slipwayOut(t, "lint", "Dockerfile"); code != 0 || !strings.Contains(out, "Dockerfile:2") || !strings.Contains(out, `"rule": "UnpinnedApt"`) || strings.Contains(out, "NoSudo") {
		t.Errorf("exit code %d, output %s%s", code, out, told)
	}
	if code, out, _ := slipwayOut(t, "lint", "--enable", "DL3004", "-f", "gnu", "Dockerfile"); code != 1 || !strings.Contains(out, "NoSudo") {
		t.Errorf("with --enable: exit code %d, output %s", code, out)
	}
	t.Setenv("HADOLINT_IGNORE", "DL9999")
	if code, _, told := slipwayOut(t, "lint", "Dockerfile"); code != 2 || !strings.Contains(told, "HADOLINT_IGNORE: unknown rule") {
		t.Errorf("unknown rule: exit code %d, %s", code, told)
	}
	t.Setenv("HADOLINT_IGNORE", "")
	// Linting must not run a program that the configuration names.
	if err := os.WriteFile(".slipway.yaml", []byte("shellcheck: { path: ./x }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, told := slipwayOut(t, "lint", "Dockerfile"); code != 2 || !strings.Contains(told, "invalid value") {
		t.Errorf("program in the configuration: exit code %d, %s", code, told)
	}
	if code, _, told := slipwayOut(t, "lint", "--no-config", "--shellcheck", "./missing", "Dockerfile"); code != 2 || !strings.Contains(told, "--shellcheck: ") {
		t.Errorf("missing program: exit code %d, %s", code, told)
	}
}
