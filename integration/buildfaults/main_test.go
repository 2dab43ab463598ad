//go:build integration

package buildfaults

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/integration/poll"
	"slipway/integration/toolbox"
)

// program is the path of the compiled slipway, and base is the directory of a base image.
// TestMain creates both once for all tests, because this takes seconds. Only TestMain sets the
// variables.
var program, base string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "slipway-faults-")
	if err == nil {
		err = os.Chmod(dir, 0o755) // other users run the program, too
	}
	if err == nil {
		err = compile(dir)
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func compile(dir string) error {
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	program, base = filepath.Join(dir, "slipway"), filepath.Join(dir, "base")
	tool := filepath.Join(dir, "toolbox")
	for _, args := range [][]string{
		{"go", "build", "-C", root, "-o", program, "./cmd/slipway"},
		{"go", "build", "-C", filepath.Join(root, "examples", "toolbox"), "-ldflags", "-s -w", "-o", tool, "."},
		{tool, "-install", base},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", args, err, out)
		}
	}
	return nil
}

// site is a temporary directory with the context, the state and the outputs of builds.
type site struct {
	t       testing.TB
	dir     string
	state   string
	context string
	user    uint32 // user id that runs the build; 0 for root
	runner  string
	program string // path of the program to run; "" for the tested program
	output  string // complete output of the last build that failed
}

func newSite(t testing.TB, dockerfile string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), runner: "namespace"}
	s.state, s.context = filepath.Join(s.dir, "state"), filepath.Join(s.dir, "context")
	s.write("Dockerfile", dockerfile)
	return s
}

// write writes a file into the build context. It creates missing parent directories.
func (s *site) write(name, data string) {
	s.t.Helper()
	file := filepath.Join(s.context, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// archivePath returns the path of the OCI archive that a build writes if its arguments include
// the flags from the method outputs.
func (s *site) archivePath() string { return filepath.Join(s.dir, "out", "image.tar") }

// command returns a slipway build command with the additional arguments args. The build is
// reproducible: its result depends only on the build context and args.
func (s *site) command(args ...string) *exec.Cmd {
	all := []string{
		"build", "--state", s.state, "--build-context", "base=" + base, "--progress", "plain", "--runner", s.runner,
		"--build-arg", "SOURCE_DATE_EPOCH=1",
	}
	return s.start(append(append(all, args...), s.context)...)
}

// outputs returns the flags with which a build writes its result to an OCI archive and to a
// directory.
func (s *site) outputs() []string {
	return []string{"-o", "type=oci,rewrite-timestamp=true,dest=" + s.archivePath(), "-o", filepath.Join(s.dir, "out", "files")}
}

// start returns a slipway command with the arguments args, which runs as the test's user.
// The command gets its own process group, so that wantNoProcess can find processes that the
// command leaves running.
func (s *site) start(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), cmp.Or(s.program, program), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Dir = s.dir
	if s.user != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: s.user, Gid: s.user}
	}
	return cmd
}

// build runs a build that writes an OCI archive and a directory. The parameter args contains
// further arguments of the build. The result is the content of the archive.
func (s *site) build(args ...string) []byte {
	s.t.Helper()
	if out, err := s.command(append(s.outputs(), args...)...).CombinedOutput(); err != nil {
		s.t.Fatalf("build: %v\n%s", err, out)
	}
	data, err := os.ReadFile(s.archivePath())
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

// buildFails runs a build that must fail without a panic. It returns the output after the
// first "error: ".
func (s *site) buildFails(args ...string) string {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	if err == nil {
		s.t.Fatalf("the build succeeds:\n%s", out)
	}
	text := string(out)
	for _, never := range []string{"panic:", "goroutine "} {
		if strings.Contains(text, never) {
			s.t.Errorf("the build panics:\n%s", text)
		}
	}
	s.output = text
	if _, last, ok := strings.Cut(text, "error: "); ok {
		return last
	}
	return text
}

// wantNoProcess checks that all processes of a process group exit within five seconds. If some
// do not, it fails the test and kills them.
func wantNoProcess(t testing.TB, group int) {
	t.Helper()
	if !poll.Until(t.Context(), 5*time.Second, func() bool { return syscall.Kill(-group, 0) == syscall.ESRCH }) {
		t.Errorf("processes of the group %d still run:\n%s", group, processes(group))
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

// processes returns the command lines of the processes in a process group, one per line.
func processes(group int) string {
	var b strings.Builder
	list, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range list {
		stat, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[2] == fmt.Sprint(group) {
			cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			fmt.Fprintf(&b, "%s %q\n", file, bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '}))
		}
	}
	return b.String()
}

// walk returns the paths of all files below dir, without directories.
func walk(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && !d.IsDir() {
			list = append(list, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// startStep starts a build of a Dockerfile whose only RUN step prints "started" and then
// sleeps. It returns after the step has started.
func (s *site) startStep(t *testing.T) *exec.Cmd {
	t.Helper()
	output, err := os.Create(filepath.Join(s.dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !poll.Until(t.Context(), time.Minute, func() bool {
		data, err := os.ReadFile(output.Name())
		return err == nil && bytes.Contains(data, []byte(" started"))
	}) {
		t.Error("the step did not start within a minute")
	}
	return cmd
}
