package builder

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMissingFile checks that the error about a missing file points to the path of this file in
// the Dockerfile, and has a hint.
func TestMissingFile(t *testing.T) {
	other := options(t, "")
	files := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer files.Close()
	for _, tc := range []struct{ dockerfile, want string }{
		{"FROM scratch\nCOPY aa /\n", "Dockerfile:2:6: error: [1/1] \"/aa\": not found (did you mean a?)\n 2 | COPY aa /\n   |      ^^\n"},
		{"FROM scratch\nCOPY a \\\n  ./base/bin/sch /\n", "Dockerfile:3:3: error: [1/1] \"/base/bin/sch\": not found (did you mean base/bin/sh?)\n 2 | COPY a \\\n 3 |   ./base/bin/sch /\n   |   ^^^^^^^^^^^^^^\n"},
		{"FROM scratch\nADD --chown=1 nothing.like.it /\n", "Dockerfile:2:15: error: [1/1] \"/nothing.like.it\": not found\n"},
		{"FROM scratch\nARG SRC=nothere\nCOPY a ${SRC} /app/\n", "Dockerfile:3:8: error: [1/1] \"/nothere\": not found\n 3 | COPY a ${SRC} /app/\n   |        ^^^^^^\n"},
		{"FROM scratch\nCOPY src\\a.txt /app/\n", "Dockerfile:2:6: error: [1/1] \"/srca.txt\": not found\n 2 | COPY src\\a.txt /app/\n   |      ^^^^^^^^^\n"},
		{"FROM scratch\nCOPY a / \nCOPY a \\[ab /app/\n", "\n 3 | COPY a \\[ab /app/\n   |        ^^^^\n"},
		{"FROM scratch\nCOPY a / \nCOPY a [ab /app/\n", "Dockerfile:3:8: error: [internal] load build context: invalid includepatterns: [[ab a]: syntax error in pattern (\"[ab\" is a pattern without its end: write [[] for the character [)\n 3 | COPY a [ab /app/\n   |        ^^^\n"},
		{"FROM scratch\nARG D=non\nCOPY base/* ${D}e/*.txt /x/\n", "Dockerfile:3:13: error: [1/1] \"/none\": not found\n 3 | COPY base/* ${D}e/*.txt /x/\n   |             ^^^^^^^^^^^\n"},
		{"FROM scratch\nCOPY --parents a base/[x /y/\n", "Dockerfile:2:18: error: "},
		{"FROM scratch\nCOPY --parents a base/x <<e /y/\ne\n", "Dockerfile:2:18: error: "},
		{"FROM scratch\nADD " + files.URL + "/none a none /x/\n", " 2 | ADD " + files.URL + "/none a none /x/\n   |     " + strings.Repeat(" ", len(files.URL)) + "        ^^^^\n"},
		{"FROM scratch\nCOPY --parents a ./base/./x /app/\n", "Dockerfile:2:18: error: "},
		{"FROM scratch\nCOPY a > /x\n", "\"/>\": not found (no shell reads this instruction: \">\" is taken for a file)\n 2 | COPY a > /x\n   |        ^\n"},
		{"FROM scratch\nRUN --mount=source=basee,target=/x true\n", "Dockerfile:2:13: error: "},
		{"FROM scratch\nARG d=none\nRUN --mount=src=$d,target=/x true\n", "Dockerfile:3:13: error: "},
		{"FROM scratch\nCOPY a out.log /\n", "(it is there, but line 2 of .dockerignore leaves it out: *.log)\n"},
		{"FROM scratch\nCOPY --from=other bas /\n", "Dockerfile:2:19: error: [stage-0 1/1] \"/bas\": not found (did you mean base?)\n"},
		{"FROM scratch AS one\nCOPY a /\nFROM scratch\nCOPY --from=one b /\n", "Dockerfile:4:17: error: [stage-1 1/1] \"/b\": not found\n"},
	} {
		o := options(t, tc.dockerfile)
		o.Contexts = map[string]string{"other": other.Context}
		for name, text := range map[string]string{".dockerignore": "# logs\n*.log\n", "out.log": ""} {
			if err := os.WriteFile(filepath.Join(o.Context, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var b strings.Builder
		if err := Report(&b, Run(t.Context(), o), false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), tc.want) {
			t.Errorf("%q: told\n%swant\n%s", tc.dockerfile, b.String(), tc.want)
		}
	}
}

// TestNearJSON checks errors from instructions whose arguments look like a JSON array but are
// invalid. Such an error must have a note about the JSON syntax error.
func TestNearJSON(t *testing.T) {
	for text, want := range map[string]string{
		"FROM scratch\nCOPY base /\nRUN ['false']\n": "Dockerfile:3:6: note: this is not a JSON array: strings take double quotes, not single quotes\n 3 | RUN ['false']\n   |      ^\n",
		"FROM scratch\nCOPY [\"a\", \"/x\",]\n":      "Dockerfile:2:16: note: this is not a JSON array: a comma before ] has no string after it\n",
	} {
		var b strings.Builder
		if err := Report(&b, Run(t.Context(), options(t, text)), false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q: got\n%swant\n%s", text, b.String(), want)
		}
	}
}

// TestMissingDockerfile checks that the error about a missing Dockerfile suggests files that
// exist.
func TestMissingDockerfile(t *testing.T) {
	o := options(t, "FROM scratch\nCOPY a /\n")
	at := filepath.Join(o.Context, "Dockerfile")
	rename := func(name string) {
		t.Helper()
		next := filepath.Join(o.Context, name)
		if err := os.Rename(at, next); err != nil {
			t.Fatal(err)
		}
		at = next
	}
	rename("dockerfile")
	if err := Run(t.Context(), o); err != nil {
		t.Errorf("in lower case: %v", err)
	}
	rename("DockerFile")
	if err := Run(t.Context(), o); err == nil || !strings.HasSuffix(err.Error(), "(use -f, for example -f "+at+")") {
		t.Errorf("in mixed case: %v", err)
	}
	rename("app.Dockerfile")
	if err := Run(t.Context(), o); err == nil || !strings.HasSuffix(err.Error(), "(use -f, for example -f "+at+")") {
		t.Errorf("another name: %v", err)
	}
	o.File = "app.Dockerfile"
	if err := Run(t.Context(), o); err == nil || !strings.HasSuffix(err.Error(), "not to the context: use -f "+at+")") {
		t.Errorf("relative to the context: %v", err)
	}
	o.File = at
	if err := Run(t.Context(), o); err != nil {
		t.Errorf("its path: %v", err)
	}
}

// TestContainerfile checks that a build uses the file Containerfile if the context has no
// Dockerfile and the user does not specify a file.
func TestContainerfile(t *testing.T) {
	o := options(t, "")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(o.Context, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(o.Context, "Dockerfile")); err != nil {
		t.Fatal(err)
	}
	write("Containerfile", "FROM scratch\nCOPY --chmod=600 a base/bin/sh /\n")
	write("Containerfile.dockerignore", "base\n")
	var b strings.Builder
	if err := Report(&b, Run(t.Context(), o), false); err != nil || !strings.HasPrefix(b.String(), filepath.Join(o.Context, "Containerfile")+":2:") {
		t.Errorf("told %s, %v", &b, err)
	}
	write("Containerfile", "FROM scratch\nCOPY a /f\n")
	if got, err := buildFile(t, o, "f"); err != nil || got != "content\n" {
		t.Errorf("%q, %v", got, err)
	}
	o.File = filepath.Join(o.Context, "Dockerfile")
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no Dockerfile "+o.File) {
		t.Errorf("with -f: %v", err)
	}
	o.File = ""
	write("dockerfile", "FROM scratch\nCOPY base/bin/sh /f\n")
	if got, err := buildFile(t, o, "f"); err != nil || got == "content\n" {
		t.Errorf("context with a Dockerfile and a Containerfile: %q, %v", got, err)
	}
}
