//go:build integration

package buildfaults

import (
	"bufio"
	"bytes"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/integration/poll"
)

var (
	chrootKills = flag.Int("chroot-kills", 2, "number of kills of builds whose steps run without namespaces")
	chrootAll   = flag.Bool("chroot-all", false, "try all destructive steps and sizes of disks, not only a few")
)

// hush is the content of a secret.
const hush = "the-content-of-a-secret"

// chrootDockerfile is a Dockerfile with each kind of mount. Its steps print lines, after each of
// which the build can be killed.
const chrootDockerfile = `FROM base
COPY changing /
RUN --mount=type=secret,id=s --mount=type=cache,target=/c --mount=type=bind,from=base,target=/b --mount=type=tmpfs,target=/t \
    set -e; echo 1; cat /run/secrets/s > /t/s; echo 2; cat changing changing > /one; echo 3; echo x > /c/x; echo 4; sleep 0.03; echo 5
USER 1000
RUN --mount=type=secret,id=s,mode=0444 --mount=type=cache,target=/c echo 6; sleep 0.03; cat /run/secrets/s > /dev/null; echo 7
`

// TestKillChroot kills builds whose steps run without namespaces. Soon after each kill, no
// process, no root of a step and no secret may be left, and the cache mount must be intact. The
// next build must create the same image as a build with an empty state.
func TestKillChroot(t *testing.T) {
	t.Logf("-seed %d -chroot-kills %d", *seed, *chrootKills)
	s := newSite(t, chrootDockerfile)
	s.runner = "chroot"
	secret := filepath.Join(s.dir, "secret")
	if err := os.WriteFile(secret, []byte(hush), 0o600); err != nil {
		t.Fatal(err)
	}
	s.write("changing", "content")
	args := []string{"--secret", "id=s,src=" + secret}
	want := s.build(args...)
	killed := append(s.outputs(), args...)
	s.forget()
	lines := s.killAfter(killed, -1, 0)
	r := rand.New(rand.NewPCG(*seed, 0))
	for i := range *chrootKills {
		line, delay := r.IntN(lines), time.Duration(r.IntN(int(20*time.Millisecond)))
		s.forget()
		s.killAfter(killed, line, delay)
		s.wantNothingLeft(t)
		s.checkSecret()
		if list := s.cached(); len(list) != 1 {
			t.Errorf("the cache mount contains %q, want the file x", list)
		}
		s.forget()
		if !bytes.Equal(s.build(args...), want) {
			t.Error("the next build creates a different image")
		}
		s.checkDigests()
		s.checkNoTemp()
		if t.Failed() {
			t.Fatalf("kill %d was %v after line %d of %d", i, delay, line, lines)
		}
	}
}

// forget removes the cache records, so that the next build runs all steps. Unlike --no-cache, this does
// not empty cache mounts.
func (s *site) forget() {
	s.t.Helper()
	if err := os.RemoveAll(filepath.Join(s.state, "cache")); err != nil {
		s.t.Fatal(err)
	}
}

// killAfter starts a build with the arguments args, reads the given number of lines of its output,
// waits for the duration delay, and kills the build. A negative number of lines means that the
// build is not killed. killAfter returns the number of all lines after the build has ended.
func (s *site) killAfter(args []string, lines int, delay time.Duration) int {
	s.t.Helper()
	cmd := s.command(args...)
	output, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	scanner, n := bufio.NewScanner(output), 0
	for n != lines && scanner.Scan() {
		n++
	}
	if lines >= 0 {
		time.Sleep(delay)
		_ = cmd.Process.Kill()
	}
	_, _ = io.Copy(io.Discard, output)
	err = cmd.Wait()
	if lines < 0 && err != nil {
		s.t.Fatal(err)
	}
	return n
}

// wantNothingLeft checks that builds whose steps run without namespaces soon leave no processes and
// no files of steps.
func (s *site) wantNothingLeft(t *testing.T) {
	t.Helper()
	var left string
	if !poll.Until(t.Context(), time.Minute, func() bool { left = s.leftOfChroot(); return left == "" }) {
		t.Errorf("the build left %s", left)
	}
}

// leftOfChroot returns what builds whose steps run without namespaces have left: processes and
// files of steps. The directory of a step, with its lock, may remain until the next build if its
// supervisor had not started.
func (s *site) leftOfChroot() string {
	list, _ := filepath.Glob(filepath.Join(s.state, "chroot", "run", "*", "*"))
	list = slices.DeleteFunc(list, func(name string) bool { return filepath.Base(name) == "lock" })
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		exe, _ := os.Readlink(filepath.Join(p, "exe"))
		root, _ := os.Readlink(filepath.Join(p, "root"))
		if exe == program || strings.HasPrefix(root, s.state) {
			list = append(list, p)
		}
	}
	return strings.Join(list, " ")
}

// checkSecret checks that no file in the state directory contains the secret.
func (s *site) checkSecret() {
	s.t.Helper()
	for _, file := range walk(s.t, s.state) {
		if data, err := os.ReadFile(file); err == nil && bytes.Contains(data, []byte(hush)) {
			s.t.Errorf("%s contains the secret", file)
		}
	}
}

// cached returns the files named x in cache mounts.
func (s *site) cached() (list []string) {
	s.t.Helper()
	for _, file := range walk(s.t, filepath.Join(s.state, "mounts")) {
		if filepath.Base(file) == "x" {
			list = append(list, file)
		}
	}
	return list
}

// TestDestructiveSteps checks that steps that destroy their root, or leave processes behind, end,
// and that they leave the store as it was: a later build from the same state creates the same image
// as before.
func TestDestructiveSteps(t *testing.T) {
	const before = "FROM base\nCOPY --chmod=4755 setuid /\nRUN cat bin/sh > /x; chmod 755 /x\n"
	runners, steps := []string{"chroot"}, []string{
		"rm -rf / || true",
		"for i in 1 2 3 4 5 6 7 8 9; do sh -c 'sleep 1000' & done; echo x > /f",
	}
	if *chrootAll {
		runners = append(runners, "namespace")
		steps = append(steps,
			"rm -rf /bin /x; echo x > /f",
			"echo changed > /x; rm /bin/toolbox; echo changed > /bin/toolbox",
			"chmod 700 /x; chmod 500 /setuid; chmod 500 /bin; chmod 500 /")
	}
	for _, runner := range runners {
		s := newSite(t, before)
		s.runner = runner
		s.write("setuid", "a program")
		want := s.build()
		for _, step := range steps {
			s.write("Dockerfile", before+"RUN "+step+"\n")
			cmd := s.command("-o", filepath.Join(s.dir, "changed"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: step %q: %v\n%s", runner, step, err, out)
			}
			wantNoProcess(t, cmd.Process.Pid)
			s.wantNothingLeft(t)
			s.checkDigests()
		}
		s.write("Dockerfile", before)
		if !bytes.Equal(s.build(), want) || !bytes.Equal(s.build("--no-cache"), want) {
			t.Errorf("%s: after the steps, the first build creates a different image", runner)
		}
		s.checkNoTemp()
	}
}

// TestFullChroot checks that steps without namespaces that fill the disk fail with a clear error,
// that they leave no root, and that the state stays valid.
func TestFullChroot(t *testing.T) {
	s := newFullSite(t)
	s.runner = "chroot"
	want := s.build()
	s.state = filepath.Join(s.dir, "disk", "state")
	mountTmpfs(t, filepath.Dir(s.state), 1<<20)
	sizes := []int{7 << 20, 18 << 20}
	if *chrootAll {
		sizes = []int{1 << 20, 4200 << 10, 5 << 20, 7 << 20, 9 << 20, 13 << 20, 18 << 20, 22 << 20}
	}
	for _, size := range sizes {
		resizeTmpfs(t, filepath.Dir(s.state), size)
		if output := s.buildFails(s.outputs()...); !strings.Contains(output, "no space left on device") {
			t.Errorf("%d bytes: output %s, want no space left on device", size, s.output)
		}
		s.wantNothingLeft(t)
		s.checkDigests()
	}
	resizeTmpfs(t, filepath.Dir(s.state), 200<<20)
	if !bytes.Equal(s.build(), want) {
		t.Error("after freeing space the build creates a different image")
	}
	s.checkDigests()
	s.checkNoTemp()
}
