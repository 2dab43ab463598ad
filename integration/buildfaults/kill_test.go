//go:build integration

package buildfaults

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var (
	seed  = flag.Uint64("seed", 1, "seed of the times at which builds are killed")
	kills = flag.Int("kills", 8, "number of kills")
)

// killedDockerfile covers everything that a kill can interrupt: concurrent stages, a build
// context copy, a cache mount and a RUN step with a non-root user.
const killedDockerfile = `FROM base AS one
COPY changing /
RUN --mount=type=cache,target=/c cat changing changing > /one; echo x > /c/x; sleep 0.02
FROM base AS two
COPY files /files
RUN cat files/* > /two
USER 1000
RUN sleep 0.03
FROM base
COPY --from=one /one /
COPY --from=two /two /
RUN cat one two > /three; rm one
`

// TestKill checks that the state directory stays valid when builds and prunes are killed at
// random times. The next build must create the same image as a build with an empty state.
// Afterwards, the state must contain only valid files and no temporary files.
func TestKill(t *testing.T) {
	t.Logf("-seed %d -kills %d", *seed, *kills)
	const workers = 4
	for w := range workers {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			t.Parallel()
			k := newKiller(t, rand.New(rand.NewPCG(*seed, uint64(w))))
			for i := w; i < *kills && !t.Failed(); i += workers {
				k.round(i / workers)
			}
			t.Logf("%d of %d were killed before they ended", k.killed, k.rounds)
			if k.killed == 0 {
				t.Error("all builds ended before they were killed")
			}
		})
	}
}

// variants is the number of different build contexts, each of which results in a different
// image.
const variants = 3

type killer struct {
	*site
	*rand.Rand
	want           [variants][]byte // the image of each variant, from a build with an empty state
	durations      [4]time.Duration // approximate duration of each kind of command; kills happen within this time
	rounds, killed int
}

func newKiller(t *testing.T, r *rand.Rand) *killer {
	k := &killer{site: newSite(t, killedDockerfile), Rand: r}
	for i := range 20 {
		k.write(fmt.Sprintf("files/%d", i), fmt.Sprint("file ", i))
	}
	for v := range variants {
		k.removeState()
		k.setVariant(v)
		start := time.Now()
		k.want[v] = k.build()
		for kind := range k.durations {
			k.durations[kind] = time.Since(start)
		}
	}
	return k
}

func (k *killer) setVariant(v int) { k.write("changing", fmt.Sprint("variant ", v)) }

func (k *killer) removeState() {
	if err := os.RemoveAll(k.state); err != nil {
		k.t.Fatal(err)
	}
}

// round kills a command at a random time, and then checks the state directory and the next
// build. The number i selects the command: a build with an empty state, a build without cache,
// a prune or an ordinary build.
func (k *killer) round(i int) {
	k.setVariant(k.IntN(variants))
	cmd, what := k.command(k.outputs()...), "build"
	kind := i % len(k.durations)
	switch kind {
	case 0:
		k.removeState()
		what = "build from nothing"
	case 1:
		cmd, what = k.command(append(k.outputs(), "--no-cache")...), "build without cache"
	case 2:
		cmd, what = k.start("cache", "prune", "--all", "--force", "--state", k.state), "prune"
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	after := time.Duration(k.Int64N(int64(k.durations[kind])))
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	ended := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	start := time.Now()
	err := cmd.Wait()
	if ended.Stop() {
		k.durations[kind] = time.Since(start) // the command ended before the kill: it is faster than assumed
	}
	k.rounds++
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		k.killed++
	} else if err != nil {
		k.t.Errorf("round %d: %s: %v\n%s", i, what, err, output.String())
	}
	wantNoProcess(k.t, cmd.Process.Pid)
	k.checkState(fmt.Sprintf("round %d: %s killed after %v", i, what, after))
}

// checkState checks the state directory and the output after a kill. It also checks that the
// next build creates the correct image. The parameter about describes the kill in failure
// messages.
func (k *killer) checkState(about string) {
	k.t.Helper()
	k.checkDigests()
	for v := range variants {
		if data, err := os.ReadFile(k.archivePath()); err == nil && bytes.Equal(data, k.want[v]) || os.IsNotExist(err) {
			break
		} else if v == variants-1 {
			k.t.Errorf("%s: the archive is not the output of a build", about)
		}
	}
	v := k.IntN(variants)
	k.setVariant(v)
	if !bytes.Equal(k.build(), k.want[v]) {
		k.t.Errorf("%s: the next build creates a different image", about)
	}
	k.checkDigests()
	k.checkNoTemp()
	if _, err := os.Stat(filepath.Join(k.dir, "out", "files", "three")); err != nil {
		k.t.Errorf("%s: %v", about, err)
	}
	if k.t.Failed() {
		k.t.Log(about)
	}
}

// TestStepDiesWithBuild checks that killing the build also kills its RUN steps, whether
// they run as root or as an unprivileged user.
func TestStepDiesWithBuild(t *testing.T) {
	for _, user := range []string{"0", "1000"} {
		s := newSite(t, "FROM base\nUSER "+user+"\nRUN echo started; sleep 100\n")
		cmd := s.startStep(t)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		wantNoProcess(t, cmd.Process.Pid)
	}
}
