//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"slipway/internal/testcontext"
)

// readSecret parses flag, a value of --secret whose ID must be "s", and reads the
// secret.
func readSecret(ctx context.Context, flag string) ([]byte, error) {
	f := &buildFlags{}
	var err error
	if f.secretSources, err = parseSecrets([]string{flag}); err != nil {
		return nil, err
	}
	err = f.readInputs(ctx)
	return f.opt.Secrets["s"], err
}

// TestSecretSizes checks that a secret of 500 KiB is accepted, and that a file without an
// end is an error.
func TestSecretSizes(t *testing.T) {
	whole := bytes.Repeat([]byte("x"), 500<<10)
	file := filepath.Join(t.TempDir(), "file")
	t.Setenv("SECRET", string(whole))
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"id=s,src=" + file, "id=s,env=SECRET"} {
		if data, err := readSecret(t.Context(), flag); err != nil || !bytes.Equal(data, whole) {
			t.Errorf("%s: %d bytes, %v, want %d", flag, len(data), err, len(whole))
		}
	}
	t.Setenv("SECRET", string(whole)+"x")
	if err := os.WriteFile(file, append(whole, 'x'), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, name := range map[string]string{"id=s,src=" + file: file, "id=s,env=SECRET": "$SECRET", "id=s,src=/dev/zero": "/dev/zero"} {
		want := `--secret ` + flag + `: "` + name + `" is larger than 500KiB`
		if data, err := readSecret(t.Context(), flag); data != nil || err == nil || err.Error() != want {
			t.Errorf("%d bytes, %v, want %s", len(data), err, want)
		}
	}
	code, told := slipway(t, "build", "--state", t.TempDir(), "--ssh", "default=/dev/zero", testcontext.New(t, goodDockerfile))
	if want := "slipway: --ssh default=/dev/zero: \"/dev/zero\" is larger than 100KiB\n"; code != exitUsage || told != want {
		t.Errorf("exit code %d, told %q, want %q", code, told, want)
	}
}

// TestSecretPipe checks that a secret can be read from a pipe, and that canceling the
// context ends the wait for the writer of the pipe.
func TestSecretPipe(t *testing.T) {
	silent, fifo := filepath.Join(t.TempDir(), "silent"), filepath.Join(t.TempDir(), "fifo")
	if err := errors.Join(syscall.Mkfifo(silent, 0o600), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := readSecret(ctx, "id=s,src="+silent)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v, want %v", err, context.Canceled)
	}
	go func() { _ = os.WriteFile(fifo, []byte("value"), 0) }()
	if data, err := readSecret(t.Context(), "id=s,src="+fifo); err != nil || string(data) != "value" {
		t.Errorf("secret %q, %v, want value", data, err)
	}
}

// TestDockerfilePipe checks that a Dockerfile can be a pipe or an open file, such as
// /dev/fd/3.
func TestDockerfilePipe(t *testing.T) {
	dir := testcontext.New(t, "FROM scratch\nCOPY unknown /\n")
	text := "FROM scratch\nENV FROM_PIPE=yes\n"
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	pipe, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	_, err = w.WriteString(text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{pipe, open} {
		name := fmt.Sprintf("/dev/fd/%d", f.Fd())
		out := filepath.Join(t.TempDir(), "out")
		code, told := slipway(t, "build", "--state", t.TempDir(), "--runner", "portable", "-o", "type=oci,dest="+out, "-f", name, dir)
		if _, err := os.Stat(out); code != 0 || err != nil {
			t.Errorf("%s: exit code %d, %v\n%s", name, code, err, told)
		}
	}
	code, told := slipway(t, "build", "--state", t.TempDir(), "-f", os.DevNull, "-")
	if want := "slipway: --file: \"/dev/null\" is not a regular file (a context on standard input needs one)\n"; code != exitUsage || told != want {
		t.Errorf("exit code %d, told %q, want %q", code, told, want)
	}
	code, told = slipway(t, "build", "--state", t.TempDir(), "-f", "/dev/zero", dir)
	if want := "slipway: --file: \"/dev/zero\" is larger than 16MiB\n"; code != exitUsage || told != want {
		t.Errorf("exit code %d, told %q, want %q", code, told, want)
	}
}

// TestInputsOnce checks that a build reads pipes, as in --ssh default=<(command), only
// once and prints warnings only once. This is not obvious for users other than root,
// because the program then starts itself again as root of a user namespace.
func TestInputsOnce(t *testing.T) {
	_, block := newKey(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(pem.EncodeToMemory(block))
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	dir := ordinaryDir(t)
	cmd := exec.Command(filepath.Join(dir, "slipway"), "build", "--state", filepath.Join(dir, "state"), "--squash",
		"--progress", "rawjson", "--ssh", "default=/dev/fd/3", filepath.Join(dir, "context"))
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), asCommand+"=1", "TMPDIR="+dir, "HOME="+dir), []*os.File{r}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinaryUser, Gid: ordinaryUser}}
		if err := r.Chown(ordinaryUser, ordinaryUser); err != nil { // the program opens the pipe by its name in /proc
			t.Fatal(err)
		}
	}
	out, err := cmd.CombinedOutput()
	if n := strings.Count(string(out), "warning: --squash has no effect"); err != nil || n != 1 {
		t.Errorf("%v, %d warnings, want one\n%s", err, n, out)
	}
}

// ordinaryUser is the ID of a user other than root.
const ordinaryUser = 65534

// ordinaryDir creates a directory that an ordinary user owns. It contains this program, as
// slipway, and a context.
func ordinaryDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	context := filepath.Join(dir, "context")
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "slipway"), program, 0o755), os.Mkdir(context, 0o755),
		os.WriteFile(filepath.Join(context, "Dockerfile"), []byte("FROM scratch\nCOPY a /\n"), 0o644),
		os.WriteFile(filepath.Join(context, "a"), nil, 0o644),
	)
	if os.Geteuid() == 0 {
		err = errors.Join(err, os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Chown(dir, ordinaryUser, ordinaryUser))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
