package frontend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/subrequests/lint"

	"slipway/diag"
	"slipway/internal/fakegateway"
)

// runCheck runs a check for the client c. It returns the first line of each finding as
// users see it, and the result that the client receives.
func runCheck(t *testing.T, c *fakegateway.Client) (string, lint.LintResults) {
	t.Helper()
	c.Opts["requestid"] = lint.RequestLint
	var found diag.List
	res, err := Builder{Found: func(l diag.List) { found = l }}.Build(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var answer lint.LintResults
	if err := json.Unmarshal(res.Metadata["result.json"], &answer); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := diag.Text(&b, found, diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	var heads []string
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "Dockerfile:") || strings.HasPrefix(line, ".dockerignore:") {
			heads = append(heads, line)
		}
	}
	return strings.Join(heads, ""), answer
}

// TestCheck checks which errors, warnings and notes a check reports for Dockerfiles with
// several problems.
func TestCheck(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"FROM a\n", ""},
		{
			"FROM a as b\nCOPPY c d\nRUN --typo=x y\nCMD ['e']\n",
			"Dockerfile:2:1: error: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)\n" +
				"Dockerfile:3:5: error: dockerfile parse error on line 3: unknown flag: --typo\n" +
				"Dockerfile:1:8: warning: 'as' and 'FROM' keywords' casing do not match [FromAsCasing]\n" +
				"Dockerfile:4:6: note: this is not a JSON array: strings take double quotes, not single quotes\n",
		},
		{"FROM a\nSHELL ['b']\n", "Dockerfile:2:8: error: dockerfile parse error on line 2: SHELL requires the arguments to be in JSON form (not a JSON array: strings take double quotes, not single quotes)\n"},
		{"FROM a\nRUN <<E\n", "Dockerfile:2:5: error: unterminated heredoc (no line is \"E\" alone)\n"},
		{"FROM a as b\nCOPY --chmod=x c d\n", "Dockerfile:2:14: error: invalid syntax (--chmod takes an octal mode, such as 0755, or a symbolic one, such as u=rwX,go=rX)\n" +
			"Dockerfile:1:8: warning: 'as' and 'FROM' keywords' casing do not match [FromAsCasing]\n"},
		{"# check=foo\nFROM a as b\n", "Dockerfile:1:9: error: failed to parse check options: invalid check option \"foo\" (want skip=NAMES, experimental=NAMES or error=BOOL, separated by ;)\n" +
			"Dockerfile:2:8: warning: 'as' and 'FROM' keywords' casing do not match [FromAsCasing]\n"},
		{"# check=error=true\nFROM a as b\n", "Dockerfile:2:8: warning: 'as' and 'FROM' keywords' casing do not match [FromAsCasing]\n"},
		{"ENV a=b\n", "Dockerfile:1:1: error: no build stage in current context (only ARG may come before the first FROM)\n"},
		{"ARG a=b\n", "Dockerfile:1:1: error: dockerfile contains no stages to build (a FROM is missing)\n"},
		{"", "Dockerfile:1:1: error: file with no instructions\n"},
		{
			"FROM gone\nFROM a AS gone\n",
			"Dockerfile:1:6: note: cannot look up the image, so what it sets is not checked: failed to resolve source metadata for docker.io/library/gone:latest: no such image " +
				"(stage gone in line 2 is below, FROM sees only stages above it)\n" +
				"Dockerfile:2:11: note: the stage\n",
		},
		{
			"FROM gone AS b\nENV A=$JAVA_HOME\nFROM b AS c\nENV A=$JAVA_HOME\nFROM a\nENV A=$JAVA_HOME\nCOPY --from=gone2 f g\n",
			"Dockerfile:6:7: warning: Usage of undefined variable '$JAVA_HOME' [UndefinedVar]\n" +
				"Dockerfile:1:6: note: cannot look up the image, so what it sets is not checked: failed to resolve source metadata for docker.io/library/gone:latest: no such image\n" +
				"Dockerfile:7:13: note: cannot look up the image, so what it sets is not checked: failed to resolve source metadata for docker.io/library/gone2:latest: no such image (no stage and no build context has the name gone2; stages: b, c; build contexts: none)\n",
		},
	} {
		c := fakegateway.New(tc.text, map[string]string{})
		c.Policy = func(identifier string) error {
			if strings.Contains(identifier, "gone") {
				return errors.New("no such image")
			}
			return nil
		}
		got, answer := runCheck(t, c)
		if got != tc.want {
			t.Errorf("%q: found\n%swant\n%s", tc.text, got, tc.want)
		}
		failed := strings.Contains(tc.want, ": error: ") || strings.Contains(tc.text, "error=true")
		if (answer.Error != nil) != failed || len(answer.Warnings) != strings.Count(tc.want, ": warning: ") {
			t.Errorf("%q: the answer has error %v and %d warnings", tc.text, answer.Error, len(answer.Warnings))
		}
	}
}

// TestCheckIgnoreFile checks that a check reports an invalid pattern in the ignore file.
func TestCheckIgnoreFile(t *testing.T) {
	for pattern, want := range map[string]string{
		"!":    ".dockerignore:2:1: error: illegal exclusion pattern: \"!\" (write the pattern to include after !)\n",
		"a[":   ".dockerignore:2:1: error: syntax error in pattern (a [ needs characters and a ], write \\[ for the character [)\n",
		"[a-]": ".dockerignore:2:1: error: syntax error in pattern (a [ needs characters and a ], write \\[ for the character [)\n",
		`x\`:   ".dockerignore:2:1: error: syntax error in pattern (write \\\\ for a backslash)\n",
	} {
		c := fakegateway.New("FROM a\nCOPY b c\n", map[string]string{})
		c.Files[".dockerignore"] = "# comment\n" + pattern + "\nnext\n"
		if got, _ := runCheck(t, c); got != want {
			t.Errorf("%q: found %q, want %q", pattern, got, want)
		}
	}
}

// TestCheckCanceled checks that a canceled check returns an error instead of findings.
func TestCheckCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := fakegateway.New("FROM a\n", map[string]string{"requestid": lint.RequestLint})
	c.Policy = func(string) error {
		cancel()
		return ctx.Err()
	}
	_, err := Builder{Found: func(l diag.List) { t.Errorf("found %v", l) }}.Build(ctx, c)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}
