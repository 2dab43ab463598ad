//go:build integration

package buildfaults

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var storeKills = flag.Int("store-kills", 4, "number of kills of commands that change the store")

// storeKill describes a command that [TestKillStore] kills. Before the command, the state
// directory contains all results of a build with the first version of the build context.
type storeKill struct {
	name    string
	command func(s *damagedSite) *exec.Cmd
	// Whether the results of the build, the cache mount and the stored image must exist after
	// the kill.
	results, mount, image bool

	duration time.Duration // duration of the command when it was not killed; 0 if unknown
}

// newStoreKills returns commands that cover each way in which files in the state directory are
// moved or removed.
func newStoreKills() []*storeKill {
	prune := func(args ...string) func(*damagedSite) *exec.Cmd {
		return func(s *damagedSite) *exec.Cmd {
			return s.start(append([]string{"cache", "prune", "--force", "--state", s.state}, args...)...)
		}
	}
	return []*storeKill{
		{name: "build of a changed context", results: true, mount: true, image: true, command: func(s *damagedSite) *exec.Cmd {
			args, _ := s.changed()
			return s.command(args...)
		}},
		{name: "first build", command: func(s *damagedSite) *exec.Cmd {
			if err := os.RemoveAll(s.state); err != nil {
				s.t.Fatal(err)
			}
			return s.command(append(s.outputs(), s.tag()...)...)
		}},
		{name: "build that writes layers again", results: true, mount: true, image: true, command: func(s *damagedSite) *exec.Cmd {
			if out, err := prune("--filter", "type=internal")(s).CombinedOutput(); err != nil {
				s.t.Fatalf("prune: %v\n%s", err, out)
			}
			args, _ := s.changed()
			return s.command(args...)
		}},
		{name: "build over another version", mount: true, image: true, command: func(s *damagedSite) *exec.Cmd {
			if err := os.WriteFile(filepath.Join(s.state, "format"), []byte("1\n"), 0o600); err != nil {
				s.t.Fatal(err)
			}
			return s.command()
		}},
		{name: "prune of layers", results: true, mount: true, image: true, command: prune("--filter", "type=internal")},
		{name: "prune of results", mount: true, image: true, command: prune("--filter", "type=regular")},
		{name: "prune of everything", image: true, command: prune("--all")},
	}
}

// TestKillStore kills commands at random times while they change the store. The next build
// must have the right result and report no damage. It may run a step again only if the killed
// command would have removed the result of the step. Afterwards, a prune must leave only the
// stored image.
func TestKillStore(t *testing.T) {
	t.Logf("-seed %d -store-kills %d", *seed, *storeKills)
	s, random := newDamagedSite(t), rand.New(rand.NewPCG(*seed, 7))
	commands, killed := newStoreKills(), 0
	for i := 0; i < *storeKills && !t.Failed(); i++ {
		k := commands[i%len(commands)]
		s.setContent(0)
		copyState(t, s.pristine, s.state)
		cmd := k.command(s)
		s.setContent(0)
		if k.duration == 0 {
			k.duration = time.Second
		}
		after := time.Duration(random.Int64N(int64(k.duration)))
		if k.kill(t, cmd, after) {
			killed++
		}
		s.checkKilled(k, fmt.Sprintf("round %d: %s killed after %v", i, k.name, after))
	}
	if t.Logf("%d commands were killed", killed); killed == 0 {
		t.Error("all commands ended before they were killed")
	}
}

// kill starts a command and kills it after the given time. It returns false if the command
// ended before it could be killed.
func (k *storeKill) kill(t *testing.T, cmd *exec.Cmd, after time.Duration) bool {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	running := !timer.Stop()
	if !running {
		k.duration = time.Since(start)
		if err != nil {
			t.Errorf("%s: %v\n%s", k.name, err, output.String())
		}
	}
	wantNoProcess(t, cmd.Process.Pid)
	return running
}

// checkKilled checks the state directory after a kill, and the next builds. The parameter
// about describes the kill in failure messages.
func (s *damagedSite) checkKilled(k *storeKill, about string) {
	s.t.Helper()
	list := func(want bool) {
		s.t.Helper()
		out, err := s.start("cache", "ls", "--state", s.state).CombinedOutput()
		if other := strings.Contains(string(out), "of another version of slipway"); err != nil && (want || !other) {
			s.t.Errorf("%s: cache ls: %v\n%s", about, err, out)
		}
	}
	list(false)
	if data, err := os.ReadFile(s.mountedIfAny()); k.mount && (err != nil || string(data) != "kept\n") {
		s.t.Errorf("%s: the cache mount contains %q, %v", about, data, err)
	}
	out, err := s.start("image", "save", "kept", "-o", os.DevNull, "--state", s.state).CombinedOutput()
	if k.image && err != nil {
		s.t.Errorf("%s: save the stored image: %v\n%s", about, err, out)
	}
	args, check := s.exported()
	messages, steps := s.run(about, args)
	check()
	other := len(messages) == 1 && strings.Contains(messages[0], "of another version of slipway") && !k.results
	if len(messages) > 0 && !other || k.results && len(steps) > 0 {
		s.t.Errorf("%s: the next build prints %q and repeats %q", about, messages, steps)
	}
	list(true)
	s.checkNoTemp()
	if messages, steps = s.run(about+", second build", args); len(messages) > 0 || len(steps) > 0 {
		s.t.Errorf("%s: the second build prints %q and repeats %q", about, messages, steps)
	}
	check()
	s.checkPruned(about)
}

// mountedIfAny returns the path of the file that the Dockerfile writes to its cache mount, or
// "" if the file does not exist.
func (s *damagedSite) mountedIfAny() string {
	found, err := filepath.Glob(filepath.Join(s.state, "mounts", "*", "data", "x"))
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0]
}

// checkPruned prunes everything, and checks that only the stored image remains.
func (s *damagedSite) checkPruned(about string) {
	s.t.Helper()
	if out, err := s.start("cache", "prune", "--all", "--force", "--state", s.state).CombinedOutput(); err != nil {
		s.t.Errorf("%s: prune: %v\n%s", about, err, out)
	}
	for _, dir := range []string{"cache", "store/dirs", "store/tmp", "namespace", "namespace.gone", "layers", "mounts"} {
		for _, file := range walk(s.t, filepath.Join(s.state, dir)) {
			s.t.Errorf("%s: the prune leaves %s", about, file)
		}
	}
	out, err := s.start("image", "save", "kept", "-o", filepath.Join(s.dir, "saved.tar"), "--state", s.state).CombinedOutput()
	if err != nil {
		s.t.Errorf("%s: save the stored image after a prune: %v\n%s", about, err, out)
	}
	if out, err := s.start("image", "rm", "kept", "--state", s.state).CombinedOutput(); err != nil {
		s.t.Errorf("%s: %v\n%s", about, err, out)
	}
	for _, file := range walk(s.t, filepath.Join(s.state, "store")) {
		s.t.Errorf("%s: without images, %s remains", about, file)
	}
}
