package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/internal/slowtest"
)

// reportedError runs a build and returns the text that Report writes for the build's
// error.
func reportedError(t *testing.T, o Options) string {
	t.Helper()
	var b strings.Builder
	if err := Report(&b, Run(t.Context(), o), false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestNotFound checks that the error for a path that does not exist in the build context
// or in a stage suggests a similar path.
func TestNotFound(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	for _, tc := range []struct{ dockerfile, want string }{
		{"COPY ../x /", `"/x": not found (.. does not lead out of the build context: build with a directory above as the context, or use --build-context NAME=DIR and --from=NAME)`},
		{"COPY ~/x /", `"/~/x": not found (~ is not expanded: sources are relative to the build context)`},
		{"COPY {a,b} /", `"/{a,b}": not found (braces are not expanded: name each file, or use * and ?)`},
		{"COPY app/[id]/p /", `"/app": not found ([ begins a set of characters: write app/[[]id]/p)`},
		{"COPY my file.txt /", `"/my": not found (did you mean "my file.txt"? write the instruction as a JSON array)`},
		{"COPY a my file.txt /", `"/my": not found (did you mean "my file.txt"? write the instruction as a JSON array)`},
		{"COPY my\\ file.txt /", `"/my": not found (a backslash does not hold words together: write the instruction as a JSON array: ["my file.txt", …])`},
		{"COPY src\\f.txt /", `"/srcf.txt": not found (\ escapes the character after it: write src/f.txt)`},
		{"COPY a # comment", `"/#": not found (# starts a comment at the beginning of a line only)`},
		{"COPY a > /x", `"/>": not found (no shell reads this instruction: ">" is taken for a file)`},
		{"COPY -r src /", `"/-r": not found (-r is taken for a file: directories are copied with all that is in them)`},
		{"COPY ReadMe.md /", `"/ReadMe.md": not found (did you mean README.md?)`},
		{"COPY srcs/f.txt /", `"/srcs/f.txt": not found (did you mean src/f.txt?)`},
		{"COPY srcs/other /", `"/srcs/other": not found (did you mean src?)`},
		{"COPY a/f /", `"/a/f": not found (a is not a directory)`},
		{"COPY out /", `"/out": not found (out is a link to /etc/hosts, outside of the build context: copy the file into it, or use --build-context NAME=DIR and --from=NAME)`},
		{"COPY up/f /", `"/up/f": not found (up is a link to ../.., outside of the build context: copy the file into it, or use --build-context NAME=DIR and --from=NAME)`},
		{"COPY dangling /", `"/dangling": not found (dangling is a link to nowhere, which does not exist)`},
		{"COPY inner/g.txt /", `"/inner/g.txt": not found (did you mean src/f.txt?)`},
		{"COPY --from=one /srcs/f.txt /", `"/srcs/f.txt": not found (did you mean src/f.txt?)`},
		{"COPY --from=one /SRC /", `"/SRC": not found (did you mean src?)`},
		{"COPY --from=one ~/f /", `"/~/f": not found (~ is not expanded: sources are relative to the root directory of --from)`},
		{"COPY --from=one /dangling /", `"/dangling": not found (dangling is a link to nowhere, which does not exist)`},
		{"COPY --from=one /src/nothing /", "\"/src/nothing\": not found\n"},
		{"COPY --from=empty /a/b /", "copy /a/b /: lstat /a/b: no such file or directory\n 6 | COPY --from=empty /a/b /\n   |                   ^^^^\n"},
		{"COPY src/*.md /", `"/src": not found (no file matches src/*.md)`},
		{"COPY /etc/hosts /", `"/etc/hosts": not found (/etc/hosts is outside of the build context: copy it into the context, or use --build-context NAME=DIR and --from=NAME)`},
		{"COPY CONTEXT/src /", `/src": not found (sources are relative to the build context: write src)`},
		{"COPY base /\nRUN --mount=from=one,source=srcs,target=/m true", "/srcs does not exist in what is mounted (did you mean src?)\n"},
	} {
		o := options(t, "")
		text := "FROM scratch AS one\nCOPY src /src\nCOPY links /\nFROM scratch AS empty\nFROM scratch\n" + strings.ReplaceAll(tc.dockerfile, "CONTEXT", o.Context) + "\n"
		if err := os.WriteFile(filepath.Join(o.Context, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"my file.txt", "README.md", "src/f.txt", "app/[id]/p"} {
			file := filepath.Join(o.Context, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(o.Context, "links"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, to := range map[string]string{"out": "/etc/hosts", "up": "../..", "dangling": "nowhere", "inner": "src", "links/dangling": "nowhere"} {
			if err := os.Symlink(to, filepath.Join(o.Context, name)); err != nil {
				t.Fatal(err)
			}
		}
		if got := reportedError(t, o); !strings.Contains(got, tc.want) {
			t.Errorf("%s: reported\n%swant\n%s", tc.dockerfile, got, tc.want)
		}
	}
}

// TestReportedOnce checks that the report of a failed step contains the number of the
// step, and does not repeat the command or a path.
func TestReportedOnce(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	for dockerfile, want := range map[string]string{
		"COPY base /\nRUN exit 3":        `:3:1: error: [2/2] process "/bin/sh -c exit 3" did not complete successfully: exit code: 3` + "\n 3 | RUN exit 3\n",
		"COPY a /f\nWORKDIR /f":          ":3:1: error: [2/2] mkdir /f: not a directory (remove it first, or use another path)\n",
		"COPY a /f\nCOPY base /f/":       ":3:1: error: [2/2] copy /base /f/: not a directory (remove it first, or use another path)\n",
		"COPY a /f\nCOPY base /f/x":      ":3:1: error: [2/2] copy /base /f/x: /f: not a directory (remove it first, or use another path)\n",
		"COPY a /bin\nCOPY base /":       ":3:1: error: [2/2] copy /base /: /bin: a file, which a directory cannot replace (remove it first, or copy to another path)\n",
		"COPY base /bin/sh\nCOPY base /": ":3:1: error: [2/2] copy /base /: /bin/sh: a directory, which a file cannot replace (remove it first, or copy to another path)\n",
	} {
		if got := reportedError(t, options(t, "FROM scratch\n"+dockerfile+"\n")); !strings.Contains(got, want) {
			t.Errorf("%s: told\n%swant\n%s", dockerfile, got, want)
		}
	}
}
