package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"slipway/internal/testcontext"
)

// fmtDir creates a directory with Dockerfiles, which becomes the current directory.
func fmtDir(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	testcontext.Write(t, dir, files)
	t.Chdir(dir)
}

func TestFmt(t *testing.T) {
	files := map[string]string{
		"Dockerfile": "from a\nrun  b  c\n", "good/Dockerfile": "FROM a\n", "bad.dockerfile": "FROM a\nRUN <<E\n",
		".editorconfig": "[good/*]\nindent_size=2\n", "other.yaml": "fmt: {keyword-case: lower}\n", "wrong.yaml": "fmt: {x: y}\n",
		"out/.slipway.yaml": "exclude: ['third_party/**']\n", "out/third_party/x/Dockerfile": "from  a\n", "list.yaml": "exclude: {a: b}\n",
		"other/dockerfile.go": "package  x\n", "other/dockerfile.x": "from  x import y\nz = 1\n", "other/Dockerfile.y": "# A\nRUN <<E\n",
	}
	const layout = "FROM a\nRUN b  c\n"
	const diff = "--- Dockerfile\n+++ Dockerfile\n@@ -1,2 +1,2 @@\n-from a\n-run  b  c\n+FROM a\n+RUN b  c\n"
	for _, tc := range []struct {
		args string
		code int
		out  string
		told string // a part of standard error
	}{
		{"Dockerfile", 0, layout, ""},
		{"good/Dockerfile", 0, "FROM a\n", ""},
		{"--shell Dockerfile", 0, "FROM a\nRUN b c\n", ""},
		{"--keyword-case lower Dockerfile", 0, "from a\nrun b  c\n", ""},
		{"-c other.yaml -v Dockerfile", 0, "from a\nrun b  c\n", "Dockerfile: configured by other.yaml\n"},
		{"-l Dockerfile good", 0, "Dockerfile\n", ""},
		{"-d Dockerfile good", 1, diff, ""},
		{"--check Dockerfile", 1, "Dockerfile\n", ""},
		{"--check good", 0, "", ""},
		{"-d --check Dockerfile", 1, diff, ""},
		{"-l -d --check Dockerfile", 1, "Dockerfile\n" + diff, ""},
		{"--check Dockerfile Dockerfile ./good", 1, "Dockerfile\n", ""},
		{"-l", 1, "Dockerfile\n", "bad.dockerfile:2:5: error: unterminated heredoc"},
		{"-l -v --no-config other", 0, "", "other/dockerfile.x: is not a Dockerfile\n"},
		{"-l -v --no-config other/dockerfile.go", 0, "other/dockerfile.go\n", ""},
		{"bad.dockerfile", 1, "", "unterminated heredoc"},
		{"--check out", 0, "", ""},
		{"--check out/third_party/x/Dockerfile", 0, "", ""},
		{"out/third_party/x/Dockerfile", 0, "from  a\n", ""},
		{"--no-config --check out", 1, "out/third_party/x/Dockerfile\n", ""},
		{"-c list.yaml Dockerfile", 2, "", "list.yaml:1:10: error: want a list of strings"},
		{"", 2, "", "only one named file can be printed (use --write, --list, --diff or --check)"},
		{"good", 2, "", "only one named file"},
		{"Dockerfile good/Dockerfile", 2, "", "only one named file"},
		{"missing", 2, "", "missing: no such file"},
		{"-l missing*", 2, "", "missing*: no Dockerfile found"},
		{"--check -w Dockerfile", 2, "", "--check and --write"},
		{"-c other.yaml --no-config Dockerfile", 2, "", "--config and --no-config"},
		{"-w -", 2, "", "standard input cannot be written"},
		{"--indent 0 Dockerfile", 2, "", `--indent: invalid indentation "0"`},
		{"--keyword-case x Dockerfile", 2, "", `--keyword-case: invalid keyword case "x"`},
		{"--max-blank-lines x Dockerfile", 2, "", "--max-blank-lines: invalid number"},
		{"-c wrong.yaml Dockerfile", 2, "", `wrong.yaml:1:7: error: fmt: unknown key "x"`},
		{"-c none.yaml Dockerfile", 2, "", "none.yaml: no such file"},
	} {
		fmtDir(t, files)
		code, out, told := slipwayOut(t, append([]string{"fmt"}, strings.Fields(tc.args)...)...)
		if code != tc.code || out != tc.out || !strings.Contains(told, tc.told) || tc.told == "" && told != "" {
			t.Errorf("%s: exit code %d, want %d\n%s\nwant\n%s\ntold %q, want %q", tc.args, code, tc.code, out, tc.out, told, tc.told)
		}
		for name, text := range files {
			if data, err := os.ReadFile(name); err != nil || string(data) != text {
				t.Errorf("%s: %s has changed: %q, %v", tc.args, name, data, err)
			}
		}
	}
}

// TestFmtStdin checks that --stdin-filename selects the configuration of standard input.
func TestFmtStdin(t *testing.T) {
	fmtDir(t, map[string]string{"sub/.editorconfig": "[x]\nslipway_keyword_case=lower\n"})
	for _, tc := range []struct{ args, in, out, told string }{
		{"-", "from  a", "FROM a\n", ""},
		{"--stdin-filename sub/x -", "FROM  a", "from a\n", ""},
		{"--stdin-filename sub/x --check -", "FROM  a", "sub/x\n", ""},
		{"--stdin-filename sub/x -", "FROM a\nRUN <<E", "", "sub/x:2:5: error: unterminated heredoc"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString(tc.in); err != nil {
			t.Fatal(err)
		}
		w.Close()
		old := os.Stdin
		os.Stdin = r
		_, out, told := slipwayOut(t, append([]string{"fmt"}, strings.Fields(tc.args)...)...)
		os.Stdin = old
		if out != tc.out || !strings.Contains(told, tc.told) {
			t.Errorf("%s: %q, want %q; told %q, want %q", tc.args, out, tc.out, told, tc.told)
		}
	}
}

// TestFmtWrite checks that files are replaced as a whole: the mode and symbolic links stay, files
// that do not change are not touched, and no other file remains.
func TestFmtWrite(t *testing.T) {
	fmtDir(t, map[string]string{"real/file": "from a\n", "Dockerfile": "FROM a\n"})
	if err := os.Chmod("real/file", 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("real", "file"), "link"); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if code, out, told := slipwayOut(t, "fmt", "-w", "-l", "link", "Dockerfile"); code != 0 || out != "link\n" || told != "" {
		t.Errorf("exit code %d, %q, %q", code, out, told)
	}
	if data, err := os.ReadFile("real/file"); err != nil || string(data) != "FROM a\n" {
		t.Errorf("%q, %v", data, err)
	}
	if info, err := os.Lstat("link"); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if info, err := os.Stat("real/file"); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if after, err := os.Stat("Dockerfile"); err != nil || !os.SameFile(before, after) {
		t.Errorf("an unchanged file was replaced: %v", err)
	}
	if entries, err := os.ReadDir("real"); err != nil || len(entries) != 1 {
		t.Errorf("files %v, %v", entries, err)
	}
}

// TestReplaceChanged checks that a file that has changed since it was read stays as it is.
func TestReplaceChanged(t *testing.T) {
	fmtDir(t, map[string]string{"f": "new"})
	if err := replaceFile("f", []byte("old"), []byte("x")); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("%v", err)
	}
	if data, err := os.ReadFile("f"); err != nil || string(data) != "new" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestOwnDockerfiles checks that the Dockerfiles of this repository are laid out, except those that
// are copies of others (examples/variants/*/originals).
func TestOwnDockerfiles(t *testing.T) {
	args := []string{"fmt", "--check", "--diff", "../../Dockerfile", "../../integration", "../../examples/*/Dockerfile", "../../examples/variants/*/Dockerfile"}
	if code, out, told := slipwayOut(t, args...); code != 0 {
		t.Errorf("exit code %d (run slipway fmt -w FILE)\n%s%s", code, out, told)
	}
}

func TestFmtComplete(t *testing.T) {
	for _, tc := range []struct{ words, want string }{
		{"--keyword-case ", "upper|lower|keep|:4"},
		{"--indent ", "2|4|8|tab|:4"},
		{"--shel", "--shell\tlay out the scripts of RUN, CMD, ENTRYPOINT and HEALTHCHECK, too, which changes their cache keys|:4"},
		{"", ":0"},
	} {
		args := append([]string{"__complete", "fmt"}, strings.Split(tc.words, " ")...)
		if _, out, _ := slipwayOut(t, args...); strings.ReplaceAll(strings.TrimSpace(out), "\n", "|") != tc.want {
			t.Errorf("%s: %q, want %q", tc.words, out, tc.want)
		}
	}
}
