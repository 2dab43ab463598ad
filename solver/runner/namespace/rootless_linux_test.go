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

	"slipway/internal/slowtest"
)

// nobodyID is the user and group ID of the user nobody. If the tests run as root, some
// of them run a second time as this user.
const nobodyID = 65534

// nobodyVar is the environment variable that makes this program run as the user nobody.
// Its value is a directory with files for /etc.
const nobodyVar = "SLIPWAY_TEST_AS_NOBODY"

// becomeNobody makes this process run as the user nobody if nobodyVar is set. It mounts
// files such as subuid over the files in /etc, in its own mount namespace.
func becomeNobody() error {
	dir := os.Getenv(nobodyVar)
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
	return errors.Join(err, syscall.Setgroups(nil), syscall.Setgid(nobodyID), syscall.Setuid(nobodyID), syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// TestOrdinaryUser runs tests of this package again as an ordinary user: first in a
// user namespace that maps only root, then with subordinate IDs if newuidmap is
// installed. If the tests already run as an ordinary user, TestOrdinaryUser does
// nothing.
func TestOrdinaryUser(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	if isRootless(t) {
		return
	}
	dir := t.TempDir()
	self := filepath.Join(dir, "tests", "tests")
	temp := filepath.Join(dir, "temp")
	err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Mkdir(filepath.Dir(self), 0o755), copyFile("/proc/self/exe", self), os.Chown(self, nobodyID, nobodyID), os.Mkdir(temp, 0o700), os.Chown(temp, nobodyID, nobodyID))
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
		cmd.Dir, cmd.Env = temp, append(os.Environ(), "TMPDIR="+temp, "HOME="+temp, nobodyVar+"="+dir, "PATH="+path)
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
	if usesRuntime() {
		again(path, "Privileges|Setuid|System|Container|ThreadRoots|Terminal|Mounts|Sockets|GuardCloses|NoLimits")
		for _, name := range []string{"subuid", "subgid"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("nobody:500000:65536\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		again(path, "Privileges|Setuid|Container|Mounts")
		checkEndsWithBuilder(t, func() *exec.Cmd { return command(path, "Endless") })
		return
	}
	again(path, "Privileges|Setuid|System.*|Ends|Container|ContainerDirectory|Terminal.*|StartFails|Session|LeakedDirectory|MadeOutside|ThreadRoots|OwnProgram|ProgramCopies|JoiningIsHidden|OpenFiles|FileMounts|Mount.*|Copies|State.*|Scratch|Secrets.*|Whiteouts|Sockets|Devices.*|Guard.*|NoLimits")
	checkEndsWithBuilder(t, func() *exec.Cmd { return command(path, "Endless") })
	// Test with subordinate IDs and failing newuidmap and newgidmap.
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
	// Test with other users, if the real programs are installed.
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return
	}
	again(path, "Privileges|Setuid|Session|LeakedDirectory|MadeOutside|ThreadRoots|OwnProgram|ProgramCopies|JoiningIsHidden|Container|Terminal.*|OpenFiles|FileMounts|Mounts|Sockets|Devices.*|Guard.*")
	checkEndsWithBuilder(t, func() *exec.Cmd { return command(path, "Endless") })
}

// TestOpenFiles checks that Enter leaves inherited files open under the same descriptor
// numbers, so that a user may pass a path such as /dev/fd/3.
func TestOpenFiles(t *testing.T) {
	if os.Getenv(nobodyVar) == "" {
		return // TestOrdinaryUser runs it
	}
	opened, err := os.Stat("/dev/fd/3")
	if err != nil {
		t.Fatal(err)
	}
	if self, err := os.Stat("/proc/self/exe"); err != nil || !os.SameFile(opened, self) {
		t.Errorf("file 3: %+v, error %v, want %+v", opened, err, self)
	}
}

// copyFile copies the content of a file to an executable file.
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

// containerVar is the environment variable that is set when this program runs with the
// privileges of root in a container.
const containerVar = "SLIPWAY_TEST_AS_CONTAINER"

// TestContainerRoot runs tests of this package again with the privileges that root has in a
// container, if the container allows user namespaces. [Enter] must make it root of a user
// namespace with all users.
func TestContainerRoot(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	if os.Getenv(containerVar) != "" {
		if ids, err := os.ReadFile("/proc/self/uid_map"); err != nil || initialIDs() || hasOneUser() || !Privileged() {
			t.Errorf("IDs %q, error %v, Privileged %t, want all IDs in a user namespace", ids, err, Privileged())
		}
		return
	}
	if isRootless(t) {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "setpriv", "--bounding-set", "-sys_admin", self, "-test.run", "^Test(ContainerRoot|User|Setuid|Mounts|Copies|Container)$")
	cmd.Env = append(os.Environ(), containerVar+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
