package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCallConvertLLB checks that --call=convertllb prints the operations of a Dockerfile,
// each after its inputs.
func TestCallConvertLLB(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	call := func(dockerfile string, flags ...string) (code int, out, told string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
			t.Fatal(err)
		}
		return slipwayOut(t, append(append([]string{"build", "--state", state, "--runner", "portable"}, flags...), dir)...)
	}
	const dockerfile = "FROM scratch AS a\nCOPY x /\nFROM scratch\nARG V=1\nCOPY --from=a /x /\nRUN true\n"
	code, out, told := call(dockerfile, "--call=convertllb")
	want := `0 source local://context local.followpaths="[\"x\"]" local.session="local" local.sharedkeyhint="context"
  "[internal] load build context", needs source.local source.local.followpaths source.local.sessionid source.local.sharedkeyhint
1 file(0) actions={input: -1 secondaryInput: 0 output: 0 copy: {src: "/x" dest: "/" followSymlink: true dirCopyContents: true createDestPath: true allowWildcard: true allowEmptyWildcard: true}}
  "[a 1/1] COPY x /" Dockerfile 2, needs file.base
2 file(1) actions={input: -1 secondaryInput: 0 output: 0 copy: {src: "/x" dest: "/" followSymlink: true dirCopyContents: true createDestPath: true allowWildcard: true allowEmptyWildcard: true}}
  "[stage-1 1/2] COPY --from=a /x /" Dockerfile 5, needs file.base
3 exec(2) args=["/bin/sh" "-c" "true"] env=["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "V=1"] cwd="/" removeMountStubsRecursive=true mounts={input: 0 dest: "/" output: 0} platform=linux/amd64
  "[stage-1 2/2] RUN true" Dockerfile 6, command as named, needs exec.meta.base exec.meta.setsdefaultpath exec.mount.bind
result 3, needs constraints meta.description platform
`
	want = strings.ReplaceAll(want, "linux/amd64", "linux/"+runtime.GOARCH)
	if diff := cmp.Diff(want, out); code != 0 || told != "" || diff != "" {
		t.Errorf("exit code %d, told %q, output (-want +got):\n%s", code, told, diff)
	}
	code, out, _ = call(dockerfile, "--call=convertllb,format=json")
	var answer struct{ Def, Metadata map[string]any }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != 0 || len(answer.Def) != 5 || len(answer.Metadata) != 5 {
		t.Errorf("format=json: exit code %d, %v, got\n%s", code, err, out)
	}
	code, out, told = call("FROM scratch\n", "--call=convertllb", "--platform=linux/arm64")
	if code != 0 || out != "no result\n" || !strings.Contains(told, "--platform has no effect on --call=convertllb") {
		t.Errorf("scratch: exit code %d, output %q, told %q", code, out, told)
	}
	code, out, told = call("FROM scratch\nCOPPY x /\n", "--call=convertllb")
	if code != exitFailed || out != "" || !strings.Contains(told, "Dockerfile:2:1: error: ") || !strings.Contains(told, " 2 | COPPY x /\n") {
		t.Errorf("a wrong Dockerfile: exit code %d, output %q, told\n%s", code, out, told)
	}
}

// TestPrintLLBErrors checks that printLLB fails if its input is invalid.
func TestPrintLLBErrors(t *testing.T) {
	for answer, want := range map[string]string{
		"{":                  "unexpected end of JSON input",
		`{"source":{"x":1}}`: `source: `,
		`{"source":{},"def":{"sha256:0":{"x":1}}}`: "operation sha256:0: ",
		`{"source":{},"def":{"sha256:0":{}}}`:      "operation sha256:0: content does not match its digest",
		// The operation has no field, and none comes after it.
		`{"source":{},"def":{"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855":{}}}`: "the last operation does not name a result",
	} {
		var out strings.Builder
		err := printLLB(&out, []byte(answer))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "(--call=convertllb,format=json prints it as it is)") || out.Len() > 0 {
			t.Errorf("%s: got %v, output %q, want %s", answer, err, out.String(), want)
		}
	}
}
