package builder

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/solver"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
	"slipway/source"
)

// notExecutable is the exit code with which a shell reports a program that it finds but
// cannot start.
const notExecutable = 126

// explainStep adds a hint or a note to the diagnostic d for a failed RUN step. The parameter
// err is the error from the step. The hint comes from the text of err, from the instruction,
// or from the files of the step. explainStep reports whether it added anything.
func explainStep(d *diag.Diagnostic, err error) bool {
	text := err.Error()
	if m := regexp.MustCompile(`secret (\S+): not found$`).FindStringSubmatch(text); m != nil {
		d.Hinted("pass it with --secret id=%s,src=FILE", m[1])
		return true
	}
	if m := regexp.MustCompile(`(?:no SSH (?:agent|key) "(\S+)" (?:was given to the build|forwarded from the client)|unset ssh forward key (\S+))$`).FindStringSubmatch(text); m != nil {
		d.Hinted("forward an agent or a key: --ssh %s", m[1]+m[2])
		return true
	}
	if regexp.MustCompile(`unable to find (user|group) \S+: `).MatchString(text) {
		user := userBefore(d.Range)
		d.Note(user, "the user is set here")
		return !user.IsZero()
	}
	if strings.Contains(text, "did not complete successfully: exit code: ") && hasCarriageReturns(d.Range) {
		d.Hinted("lines of the heredoc end in carriage returns, which the shell takes for parts of commands: convert the file to line endings of Unix")
		return true
	}
	hint := filesHint(err)
	if hint == "" {
		return false
	}
	d.Hinted("%s", hint)
	return true
}

// filesHint returns a hint for the error err from a RUN step if the image has no shell to
// run the command, or if a program in the command lacks the executable bit. Otherwise it
// returns "".
func filesHint(err error) string {
	var of *solver.Error
	var failed *solver.ExecError
	if !errors.As(err, &of) || !errors.As(err, &failed) || of.Vertex.Op.GetExec() == nil {
		return ""
	}
	op := of.Vertex.Op.GetExec()
	args := op.GetMeta().GetArgs()
	i := slices.IndexFunc(op.Mounts, func(m *pb.Mount) bool { return m.Dest == pb.RootMount })
	if i < 0 || i >= len(failed.Mounts) || len(args) != 3 || args[1] != "-c" {
		return ""
	}
	if shell, ok := fileAt(failed.Inputs[i], args[0]); ok && shell == nil {
		return fmt.Sprintf("the image has no %s to run the command with: copy a shell into it, or write a program of the image as a JSON array", args[0])
	}
	var exit *runner.ExitError
	if !errors.As(err, &exit) || exit.Code != notExecutable {
		return ""
	}
	for _, program := range programs(args[2]) {
		n, _ := fileAt(failed.Mounts[i], path.Join("/", relativeTo(op.GetMeta().GetCwd(), program)))
		if n != nil && n.Kind() == tree.File && n.Meta().Mode&0o111 == 0 {
			return fmt.Sprintf("%s has mode %04o: set the executable bit with chmod +x or COPY --chmod=755", program, n.Meta().Mode)
		}
	}
	return ""
}

// relativeTo returns the absolute path of a program that a step starts. A relative name is
// resolved against dir, the working directory of the step.
func relativeTo(dir, name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(dir, name)
}

// fileAt returns the file called name in the snapshot s, following symbolic links, or
// nil if the file does not exist. The second result is false if the links cannot be
// resolved.
func fileAt(s *snapshot.Snapshot, name string) (*tree.Node, bool) {
	root, err := s.Tree()
	if err != nil {
		return nil, false
	}
	at, err := root.Resolve(name, true)
	if err != nil {
		return nil, false
	}
	n, err := root.Get(at)
	return n, err == nil
}

// programs returns the programs that a shell command starts by path, such as ./run.sh. It
// finds only paths that are written literally and without quotes.
func programs(command string) []string {
	var list []string
	starts := true
	for _, word := range strings.Fields(command) {
		if starts && strings.Contains(word, "/") {
			list = append(list, strings.TrimRight(word, ";&|"))
		}
		starts = strings.HasSuffix(word, ";") || strings.HasSuffix(word, "&") || strings.HasSuffix(word, "|") || word == "exec" || word == "then" || word == "do"
	}
	return list
}

// hasCarriageReturns reports whether the instruction at r is a RUN with a heredoc in which
// a line ends in CRLF.
func hasCarriageReturns(r source.Range) bool {
	in := instructionAt(r)
	if in == nil {
		return false
	}
	cmd, _ := instructions.ParseOne(in)
	run, ok := cmd.(*instructions.Run)
	return ok && slices.ContainsFunc(run.Heredocs, func(h parser.Heredoc) bool { return strings.Contains(h.Content(), "\r\n") })
}

// userBefore returns the range of the argument of a USER instruction: the last one before the
// instruction at r in the same stage. If there is no such USER instruction, the range is zero.
func userBefore(r source.Range) source.Range {
	var user source.Range
	if r.IsZero() {
		return user
	}
	file, _ := parser.Parse(r.File)
	if file == nil {
		return user
	}
	first, _ := r.Lines()
	for _, in := range file.Instructions() {
		if in.Rng.Position().Line >= first {
			break
		}
		switch cmd, _ := instructions.ParseOne(in); c := cmd.(type) {
		case *instructions.From:
			user = source.Range{}
		case *instructions.User:
			user = c.User.Text.Range()
		default:
		}
	}
	return user
}
