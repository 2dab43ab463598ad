package namespace

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The ID of the user nobody, an ordinary user.
const nobody = 65534

// asNobody is the environment variable of tests that root runs again as the user nobody.
// It contains a directory with files for /etc.
const asNobody = "SLIPWAY_TEST_AS_NOBODY"

// becomeNobody makes this process run as the user nobody. It mounts the files for
// /etc, for example with subordinate IDs, in its own mount namespace.
func becomeNobody() error {
	dir := os.Getenv(asNobody)
	if dir == "" || os.Geteuid() != 0 || !initialIDs() {
		return nil
	}
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	for _, name := range []string{"subuid", "subgid"} {
		file := filepath.Join(dir, name)
		_, here := os.Stat(file)
		if _, there := os.Stat("/etc/" + name); err == nil && here == nil && there == nil {
			err = unix.Mount(file, "/etc/"+name, "", unix.MS_BIND, "")
		}
	}
	return errors.Join(err, syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody), syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// TestOrdinaryUser runs tests of this package again as a user other than root. First
// only root exists in the user namespace, then other users as well. If the tests run as
// such a user anyway, there is nothing to repeat.
func TestOrdinaryUser(t *testing.T) {
	if rootless(t) {
		return
	}
	dir := t.TempDir()
	self := filepath.Join(dir, "tests", "tests")
	temp := filepath.Join(dir, "temp")
	err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Mkdir(filepath.Dir(self), 0o755), copyFile("/proc/self/exe", self), os.Chown(self, nobody, nobody), os.Mkdir(temp, 0o700), os.Chown(temp, nobody, nobody))
	if err != nil {
		t.Fatal(err)
	}
	for at := dir; at != "/"; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err != nil || info.Mode().Perm()&0o001 == 0 {
			t.Fatalf("TMPDIR: nobody cannot enter %s, %v (name a directory that everyone may enter)", at, info.Mode())
		}
	}
	open, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	command := func(path, tests string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), self, "-test.run", "^Test("+tests+")$")
		cmd.Dir, cmd.Env = temp, append(os.Environ(), "TMPDIR="+temp, "HOME="+temp, asNobody+"="+dir, "PATH="+path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		cmd.ExtraFiles = []*os.File{open}
		return cmd
	}
	again := func(path, tests string) {
		t.Helper()
		if out, err := command(path, tests).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	path := os.Getenv("PATH")
	if byRuntime() {
		again(path, "Privileges|Setuid|System|Container|ThreadRoots|Terminal|Mounts|Sockets|GuardCloses|NoLimits")
		for _, name := range []string{"subuid", "subgid"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("nobody:500000:65536\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		again(path, "Privileges|Setuid|Container|Mounts")
		endsWithBuilder(t, func() *exec.Cmd { return command(path, "Endless") })
		return
	}
	again(path, "Privileges|Setuid|System.*|Ends|Container|ContainerDirectory|Terminal.*|StartFails|Session|LeakedDirectory|MadeOutside|ThreadRoots|OwnProgram|ProgramCopies|JoiningIsHidden|OpenFiles|FileMounts|Mount.*|Copies|State.*|Secrets.*|Whiteouts|Sockets|Devices.*|Guard.*|NoLimits")
	endsWithBuilder(t, func() *exec.Cmd { return command(path, "Endless") })
	// With subordinate IDs, but with programs for them that fail.
	for _, name := range []string{"subuid", "subgid", "newuidmap", "newgidmap"} {
		text := "nobody:500000:65536\n"
		if strings.HasPrefix(name, "new") {
			text = "#!/bin/sh\necho no >&2; exit 1\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	again(dir+":"+path, "Mounts")
	// With other users, if the programs are installed.
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return
	}
	again(path, "Privileges|Setuid|Session|LeakedDirectory|MadeOutside|ThreadRoots|OwnProgram|ProgramCopies|JoiningIsHidden|Container|Terminal.*|OpenFiles|FileMounts|Mounts|Sockets|Devices.*|Guard.*")
	endsWithBuilder(t, func() *exec.Cmd { return command(path, "Endless") })
}

// TestOpenFiles checks that files opened before this program was started remain open,
// under the same numbers, after it has become root of a user namespace.
func TestOpenFiles(t *testing.T) {
	if os.Getenv(asNobody) == "" {
		return // TestOrdinaryUser runs it
	}
	opened, err := os.Stat("/dev/fd/3")
	if err != nil {
		t.Fatal(err)
	}
	if self, err := os.Stat("/proc/self/exe"); err != nil || !os.SameFile(opened, self) {
		t.Errorf("file 3 is %+v, %v, want %+v", opened, err, self)
	}
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
