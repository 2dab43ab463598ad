package chroot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"slipway/internal/testtree"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// TestHostile checks that a step that replaces directories of mount points by links changes
// nothing outside of its root, and that background processes end with the step.
func TestHostile(t *testing.T) {
	w := newFixture(t)
	victim := t.TempDir()
	if err := os.WriteFile(filepath.Join(victim, "m"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	_, trees := w.mustRun(t, w.process(fmt.Sprintf("rm -rf /d /etc; ln -s %s /d; (sleep 1000 &) ; sleep 1000 & echo", victim), runner.Mount{Kind: runner.MountFile, Target: "/d/m", Data: []byte("hush"), Mode: 0o400}))
	if got := string(testtree.Must(os.ReadFile(filepath.Join(victim, "m")))); got != "mine" {
		t.Errorf("the file outside has content %q, want %q", got, "mine")
	}
	if n := testtree.Must(trees[0].Get("d")); n == nil || n.Kind() != tree.Symlink {
		t.Errorf("/d is %v, want a link", n)
	}
	if d := time.Since(started); d > time.Minute {
		t.Errorf("the step took %v, want that it kills its background processes", d)
	}
	w.mustRun(t, w.process("rm -rf / 2>/dev/null; :"))
	w.mustRun(t, w.process(`f() { if [ $1 -gt 0 ]; then f $(($1-1)) & f $(($1-1)) & fi; sleep 1000; }; f 6 & sleep 0.1`))
}

// TestConfined checks that a step of root can neither leave its root by a second chroot, nor create
// devices, nor trace its supervisor, which has the privileges of the builder.
func TestConfined(t *testing.T) {
	w := newFixture(t)
	w.install(t, "bin/perl", testtree.Must(exec.LookPath("perl")))
	out, _ := w.mustRun(t, w.process(fmt.Sprintf(`mkdir /below; mknod /disk b 8 0 2>/dev/null && echo device
perl -e 'chroot "below" and print "chroot\n"; chdir ".." for 1..50; print "outside\n" if -e "%s"; kill 0, $ARGV[0] or print "no supervisor\n"; print "traced\n" if syscall(%d, 16, $ARGV[0]+0) >= 0' $PPID`,
		strings.TrimPrefix(t.TempDir(), "/"), unix.SYS_PTRACE)))
	if out != "" {
		t.Errorf("the step succeeds in %q", out)
	}
}

// TestSupervisorKilled checks that no process of a step is left if the step kills its supervisor, and
// that the error says what happened.
func TestSupervisorKilled(t *testing.T) {
	w := newFixture(t)
	_, _, err := w.run(t, w.process("(while :; do sleep 0.01; done) & kill -9 $PPID; sleep 1000"))
	if err == nil || !strings.Contains(err.Error(), "the supervisor of the step was killed") {
		t.Errorf("error %v, want that the supervisor was killed", err)
	}
	if left := inside(w.Runner.dir); len(left) > 0 {
		t.Errorf("processes %v are left", left)
		killInside(w.Runner.dir)
	}
}

// TestDeep checks that a step that creates deeper directories than Linux has paths fails with an
// error that says so, and that its root is removed.
func TestDeep(t *testing.T) {
	w := newFixture(t)
	w.install(t, "bin/perl", testtree.Must(exec.LookPath("perl")))
	_, _, err := w.run(t, w.process(`perl -e '$d = "a" x 250; for (1..40) { mkdir $d or die; chdir $d or die }'`))
	if err == nil || !strings.HasPrefix(err.Error(), "mount /: /aaa") || !strings.HasSuffix(err.Error(), "file name too long") {
		t.Errorf("error %v, want that a name is too long", err)
	}
}

// TestKeys checks that a step cannot find the keys of its builder.
func TestKeys(t *testing.T) {
	w := newFixture(t)
	w.install(t, "bin/perl", testtree.Must(exec.LookPath("perl")))
	runtime.LockOSThread() // the keyring belongs to a thread, which ends with the test
	_, err := unix.KeyctlJoinSessionKeyring("slipway-test")
	if err == nil {
		_, err = unix.AddKey("user", "slipway-key", []byte("ticket"), unix.KEY_SPEC_SESSION_KEYRING)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, _ := w.mustRun(t, w.process(fmt.Sprintf(`perl -e '$kind = "user"; $key = "slipway-key"; print syscall(%d, %d, -3, $kind, $key, 0) > 0 ? "found" : "none"'`, unix.SYS_KEYCTL, unix.KEYCTL_SEARCH)))
	if out != "none" {
		t.Errorf("the step prints %q, want none", out)
	}
}
