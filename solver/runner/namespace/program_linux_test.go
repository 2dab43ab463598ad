package namespace

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
	"slipway/internal/slowtest"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// TestOwnProgram checks that no step can change the content or the mode of the
// builder's program by opening /proc/self/exe of the init process. This also applies to
// insecure steps. CVE-2019-5736 was such an attack.
func TestOwnProgram(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	for _, kind := range []string{"read-only", "sealed"} {
		w := newFixture(t)
		w.probe(t, nil) // installs the libraries of the program
		if kind == "sealed" {
			var err error
			if w.program.file, err = sealedProgram(); err != nil {
				t.Fatal(err)
			}
		}
		e := tree.Edit(w.root)
		if _, err := e.MkdirAll("self", tree.Meta{Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		if err := e.Put("self/probe", tree.NewSymlink(tree.Meta{Mode: 0o777}, "/proc/self/exe")); err != nil {
			t.Fatal(err)
		}
		w.root = e.Tree()
		before := ownProgram(t)
		for _, insecure := range []bool{false, true} {
			got := w.probe(t, func(p *runner.Process) { p.Args[0], p.Insecure = "/self/probe", insecure },
				"chmod:/proc/self/exe", "write:/proc/self/exe", "chmod:/proc/1/exe", "owner:/proc/1/exe", "read:/proc/self/exe")
			if got["write:/proc/self/exe"] == "OK" || kind == "read-only" && (got["chmod:/proc/1/exe"] == "OK" || got["owner:/proc/1/exe"] == "OK") {
				t.Errorf("%s program, insecure %v: %v, want that no change succeeds", kind, insecure, got)
			}
			if got["read:/proc/self/exe"] == "" {
				t.Errorf("%s program: the step did not execute it", kind)
			}
		}
		if got := ownProgram(t); got != before {
			t.Errorf("%s program: mode, size and ctime on the host %+v, want %+v", kind, got, before)
		}
		w.probe(t, nil, "user") // steps still start
	}
}

// ownProgram returns the mode, size and ctime of this program's file. The kernel
// updates the ctime whenever the content or the mode changes.
func ownProgram(t *testing.T) [3]int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &st); err != nil {
		t.Fatal(err)
	}
	return [3]int64{int64(st.Mode), st.Size, st.Ctim.Nano()}
}

// TestProgramCopies checks that the files from readOnlyProgram and sealedProgram have
// the content of this program and cannot be changed.
func TestProgramCopies(t *testing.T) {
	want, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	odd := t.TempDir() + `/a:b\c,d`
	if err := os.Mkdir(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*os.File, error){
		"read-only": func() (*os.File, error) { return readOnlyProgram(odd) }, "sealed": sealedProgram,
	} {
		f, err := open()
		if err != nil {
			t.Errorf("%s program: error %v, want nil", name, err)
			continue
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s program: %d bytes, error %v, want the %d bytes of this program", name, len(got), err, len(want))
		}
		w, err := os.OpenFile(procfd.Path(f.Fd()), os.O_RDWR, 0)
		if err == nil {
			_, err = w.WriteAt([]byte("x"), 0)
			w.Close()
		}
		if err == nil {
			t.Errorf("%s program: writing succeeds, want an error", name)
		}
		if err := os.Truncate(procfd.Path(f.Fd()), 1); err == nil {
			t.Errorf("%s program: truncating succeeds, want an error", name)
		}
		if err := os.Chmod(procfd.Path(f.Fd()), 0o600); err == nil {
			t.Errorf("%s program: removing the executable bit succeeds, want an error", name)
		}
		f.Close()
	}
}

// TestProgramFails checks that starting a process fails if the file that init processes
// execute is closed.
func TestProgramFails(t *testing.T) {
	w := newFixture(t)
	closed, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	w.program.file = closed
	if _, err := w.Run(t.Context(), w.process(":")); !errors.Is(err, os.ErrClosed) && err == nil {
		t.Error("Run without a program: error nil, want one")
	}
	w.program.file = nil
}

// spy polls /proc until the end of standard input. It returns how often it has seen a
// process that runs neither the shell nor /bin/probe. Such a process would be an init
// process that is joining the container.
func spy() (count int) {
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	for {
		select {
		case <-over:
			return count
		default:
		}
		programs, err := filepath.Glob("/proc/[0-9]*/exe")
		if err != nil {
			return -1
		}
		for _, name := range programs {
			if to, err := os.Readlink(name); err == nil && to != "/bin/sh" && to != "/bin/probe" {
				count++
			}
		}
	}
}

// TestJoiningIsHidden checks that processes of a container see neither the program nor
// the files of an init process that is joining the container.
func TestJoiningIsHidden(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.probe(t, nil)
	var out bytes.Buffer
	first := w.process("")
	first.Args, first.Stdout = []string{"/bin/probe", "spy"}, &out
	stdin, end := io.Pipe()
	first.Stdin = stdin
	c := w.open(t, &first.Sandbox)
	x := start(t, c, first)
	for range 30 {
		if err := start(t, c, w.process(":")).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	end.Close()
	if err := x.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != "spy 0" {
		t.Errorf("answer %q, want spy 0: no other program is visible", got)
	}
}
