package builder

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/diag"
	"slipway/solver"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
	"slipway/source"
)

// TestFailedStep checks that the error from a RUN step has a hint if the instruction or
// the files of the step show the reason for the failure.
func TestFailedStep(t *testing.T) {
	for dockerfile, want := range map[string]string{
		"RUN true": "(the image has no /bin/sh to run the command with: copy a shell into it, or write a program of the image as a JSON array)\n 2 | RUN true\n",
		"COPY base /\nRUN --mount=type=secret,id=tok,required=true true":                   "secret tok: not found (pass it with --secret id=tok,src=FILE)\n",
		"COPY base /\nRUN <<END\r\nexit 3\r\nEND\r":                                        "(lines of the heredoc end in carriage returns, which the shell takes for parts of commands: convert the file to line endings of Unix)\n",
		"COPY base /\nRUN --mount=type=secret,id=tok,required=true <<END\r\ntrue\r\nEND\r": "(pass it with --secret id=tok,src=FILE)\n",
		"COPY base /\nRUN --mount=source=none,target=/m <<END\r\ntrue\r\nEND\r":            "/none does not exist in what is mounted\n",
		"COPY base /\nRUN --security=insecure <<END\r\ntrue\r\nEND\r":                      "security.insecure is not allowed\n",

		"COPY base /\nRUN exit 3": "exit code: 3\n",
	} {
		if got := reportedError(t, options(t, "FROM scratch\n"+dockerfile+"\n")); !strings.Contains(got, want) {
			t.Errorf("%s: reported\n%swant\n%s", dockerfile, got, want)
		}
	}
}

// TestUnknownUser checks that the error about an unknown user points to the preceding USER
// instruction in the same stage.
func TestUnknownUser(t *testing.T) {
	const text = "FROM a\nUSER other\nFROM b\nUSER first\nUSER nobody:x\nRUN true\nUSER later\n"
	f := source.NewFile("Dockerfile", []byte(text))
	for line, want := range map[int]string{6: "nobody:x", 5: "first", 4: ""} {
		d := diag.Errorf(f.LineRange(line, line), "%s", `user "nobody": unable to find user nobody: no matching entries in passwd file`)
		found := explainStep(d, d)
		got := ""
		if len(d.Related) > 0 {
			got = d.Related[0].Range.String()
		}
		if got != want || found != (want != "") {
			t.Errorf("line %d: points at %q, %v, want %q", line, got, found, want)
		}
	}
}

// TestNotExecutable checks the hint for a command that contains a program without the
// executable bit. The hint must contain the name of the program.
func TestNotExecutable(t *testing.T) {
	e := tree.Edit(nil)
	for name, mode := range map[string]uint32{"bin/sh": 0o755, "app/run": 0o644, "app/data": 0o600, "app/ok": 0o755} {
		_, err := e.MkdirAll(strings.Split(name, "/")[0], tree.Meta{Mode: 0o755})
		if err = errors.Join(err, e.Put(name, tree.NewFile(tree.Meta{Mode: mode, ModTime: time.Unix(1, 0)}, tree.Blob{}))); err != nil {
			t.Fatal(err)
		}
	}
	files := []*snapshot.Snapshot{snapshot.New(nil, nil).With(e.Tree())}
	for _, tc := range []struct {
		command, cwd string
		code         int
		want         string
	}{
		{"/app/run", "/", 126, "/app/run has mode 0644: set the executable bit with chmod +x or COPY --chmod=755"},
		{"./run -v", "/app", 126, "./run has mode 0644: set the executable bit with chmod +x or COPY --chmod=755"},
		{"/app/ok /app/data; /app/run; true", "/", 126, "/app/run has mode 0644: set the executable bit with chmod +x or COPY --chmod=755"},
		{"/app/ok && exec app/run", "/", 126, "app/run has mode 0644: set the executable bit with chmod +x or COPY --chmod=755"},
		{"cat /app/data", "/", 126, ""},
		{"/app/run", "/", 1, ""},
		{"/app", "/", 126, ""},
	} {
		op := &pb.ExecOp{Meta: &pb.Meta{Args: []string{"/bin/sh", "-c", tc.command}, Cwd: tc.cwd}, Mounts: []*pb.Mount{{Dest: "/"}}}
		err := &solver.Error{
			Vertex: &solver.Vertex{Op: &pb.Op{Op: &pb.Op_Exec{Exec: op}}},
			Err:    &solver.ExecError{Err: &runner.ExitError{Code: tc.code}, Inputs: files, Mounts: files},
		}
		if got := filesHint(err); got != tc.want {
			t.Errorf("%s: hint %q, want %q", tc.command, got, tc.want)
		}
	}
}

// TestNoAgent checks that the error about a missing SSH agent, from this process or from a
// daemon, has a hint that names the flag to use.
func TestNoAgent(t *testing.T) {
	const want = "forward an agent or a key: --ssh k"
	for _, text := range []string{
		`mount /run/buildkit/ssh_agent.0: no SSH agent "k" was given to the build`,
		`failed to solve: no SSH key "k" forwarded from the client`,
		"failed to solve: unset ssh forward key k",
	} {
		var d diag.Diagnostic
		if !explainStep(&d, errors.New(text)) || d.Hint != want {
			t.Errorf("%s: hint %q, want %q", text, d.Hint, want)
		}
	}
	if got := reportedError(t, options(t, "FROM scratch\nRUN --mount=type=ssh,required=true x\n")); !strings.Contains(got, "(forward an agent or a key: --ssh default)") {
		t.Errorf("told %s", got)
	}
}
