package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/format"
)

// write writes files below dir. The map contains the content of each file by its path.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// with returns the default options after a change.
func with(change func(*format.Options)) format.Options {
	opt := format.Default()
	change(&opt)
	return opt
}

func TestOptions(t *testing.T) {
	yes, no := true, false
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  format.Options
	}{
		{"no file", nil, format.Default()},
		{"indent_size", map[string]string{".editorconfig": "[*]\nindent_size = 2\n"}, with(func(o *format.Options) { o.Indent = "  " })},
		{"tab", map[string]string{".editorconfig": "[*]\nindent_style = tab\nindent_size = 2\n"}, with(func(o *format.Options) { o.Indent = "\t" })},
		{"tab_width", map[string]string{".editorconfig": "[*]\nindent_size = tab\ntab_width = 3\n"}, with(func(o *format.Options) { o.Indent = "   " })},
		{"ends", map[string]string{".editorconfig": "[Dockerfile]\nend_of_line = CRLF\ninsert_final_newline = false\ncharset = utf-8-bom\n"}, with(func(o *format.Options) {
			o.LineEnd, o.NoFinalLineEnd, o.Mark = "\r\n", true, format.AddMark
		})},
		{"ours", map[string]string{".editorconfig": "[{Dockerfile,*.x}]\nslipway_keyword_case = lower\nslipway_shell = true\nend_of_line = lf\ncharset = utf-8\n"}, with(func(o *format.Options) {
			o.Keywords, o.Shell, o.LineEnd, o.Mark = format.LowerCase, true, "\n", format.RemoveMark
		})},
		{"other files", map[string]string{".editorconfig": "[*.go]\nindent_size = 2\n[/Dockerfile]\nindent_size = 3\n"}, format.Default()},
		{"invalid", map[string]string{".editorconfig": "x\n[*]\nindent_size = many\nend_of_line = cr\n[[]\nindent_size = 2\n[{a\nindent_size = 2\n"}, format.Default()},
		{"nearest first", map[string]string{".editorconfig": "[*]\nindent_size = 2\nend_of_line = lf\n", "sub/.editorconfig": "[*]\nindent_size = 3\n"}, with(func(o *format.Options) {
			o.Indent, o.LineEnd = "   ", "\n"
		})},
		{"root", map[string]string{".editorconfig": "[*]\nindent_size = 2\n", "sub/.editorconfig": "root = true\n"}, format.Default()},
		{"later section", map[string]string{".editorconfig": "[*]\nindent_size = 2\n[sub/**]\nindent_size = 3\n"}, with(func(o *format.Options) { o.Indent = "   " })},
		{"scripts", map[string]string{".editorconfig": "[*.sh]\nspace_redirects = true\nbinary_next_line = true\n[Dockerfile]\nbinary_next_line = false\n"}, with(func(o *format.Options) {
			o.Script.SpaceRedirects, o.Script.BinaryNextLine = &yes, &no
		})},
		{"yaml over editorconfig", map[string]string{".editorconfig": "[*]\nindent_size = 2\n", ".slipway.yaml": "lint: {x: y}\nfmt:\n  indent: 8\n  keyword-case: keep\n  max-blank-lines: 3\n  shell: true\n  shell-files: true\n  switch-case-indent: true\n  function-next-line: true\n"}, with(func(o *format.Options) {
			o.Indent, o.Keywords, o.MaxBlankLines, o.Shell, o.ShellFiles = "        ", format.AnyCase, 3, true, true
			o.Script.SwitchCaseIndent, o.Script.FunctionNextLine = true, true
		})},
		{"nearest yaml", map[string]string{".slipway.yaml": "fmt: {indent: 8}\n", "sub/slipway.yaml": "fmt: {indent: tab}\n"}, with(func(o *format.Options) { o.Indent = "\t" })},
		{"yaml of another repository", map[string]string{".slipway.yaml": "fmt: {indent: 8}\n", "sub/.git": ""}, format.Default()},
		{"extends", map[string]string{"team.yaml": "fmt: {indent: 8, shell: true}\nrules: {x: y}\n", "sub/.slipway.yaml": "fmt: {indent: 2}\nextends: ../team.yaml\n"}, with(func(o *format.Options) {
			o.Indent, o.Shell = "  ", true
		})},
		{"empty section", map[string]string{".slipway.yaml": "fmt:\n"}, format.Default()},
		{"empty yaml", map[string]string{".slipway.yaml": ""}, format.Default()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, tc.files)
			write(t, dir, map[string]string{"sub/x": ""})
			var r Reader
			for range 2 { // the second time from memory
				got, _, err := r.Options(filepath.Join(dir, "sub", "Dockerfile"), format.Default())
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(tc.want, got); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct{ yaml, want string }{
		{"fmt: {indnt: 2}", `fmt: unknown key "indnt" (did you mean indent?)`},
		{"fmt: {indent: 0}", `fmt: indent: invalid indentation "0" (want a number from 1 to 16, or tab)`},
		{"fmt: {indent: [2]}", "fmt: indent: want one value"},
		{"fmt: {keyword-case: Upper}", `fmt: keyword-case: invalid keyword case "Upper" (want upper, lower or keep)`},
		{"fmt: {max-blank-lines: -1}", `fmt: max-blank-lines: invalid number of empty lines "-1" (want 0 or more)`},
		{"fmt: {shell: yes}", `fmt: shell: invalid value "yes" (want true or false)`},
		{"fmt: 2", "fmt: want keys and values"},
		{"- 2", "want keys and values"},
		{"extends: none.yaml", "none.yaml does not exist"},
		{"extends: .slipway.yaml", "more than 10 configurations extend each other"},
		{"exclude: {a: b}", "want a list of strings"},
		{"fmt: {", "line 1: did not find expected node content"},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{".slipway.yaml": tc.yaml})
		var r Reader
		if _, _, err := r.Options(filepath.Join(dir, "Dockerfile"), format.Default()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.yaml, err, tc.want)
		}
	}
	r := Reader{File: filepath.Join(t.TempDir(), "missing.yaml")}
	if _, _, err := r.Options("Dockerfile", format.Default()); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("missing file: %v", err)
	}
}

// TestChosenFile checks that File and None override the search for a configuration file.
func TestChosenFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{".slipway.yaml": "fmt: {indent: 8}\n", "other.yaml": "fmt: {indent: 2}\n"})
	path := filepath.Join(dir, "Dockerfile")
	for _, tc := range []struct {
		r    Reader
		want string
	}{
		{Reader{}, "        "},
		{Reader{File: filepath.Join(dir, "other.yaml")}, "  "},
		{Reader{None: true}, "    "},
	} {
		if got, _, err := tc.r.Options(path, format.Default()); err != nil || got.Indent != tc.want {
			t.Errorf("%+v: indentation %q, %v, want %q", tc.r, got.Indent, err, tc.want)
		}
	}
}

// TestExcluded checks that the patterns of an extended file count, too, and that one pattern needs
// no list.
func TestExcluded(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{".slipway.yaml": "exclude: a/**\nextends: base.yaml\n", "base.yaml": "exclude: [b, c]\n"})
	var r Reader
	got, used, err := r.Excluded(filepath.Join(dir, "Dockerfile"))
	if d := cmp.Diff([]string{"b", "c", "a/**"}, got); d != "" || err != nil || used != filepath.Join(dir, ".slipway.yaml") {
		t.Errorf("%s, error %v:\n%s", used, err, d)
	}
}
