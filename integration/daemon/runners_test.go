//go:build integration

package daemon

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/integration/doctable"
	"slipway/integration/imagetree"
	"slipway/integration/rig"
)

var allRunners = flag.Bool("all-runners", false, "build all cases with all runners in TestRunners, not only a few")

// A way is a way in which our solver runs steps.
type way struct {
	name   string   // as in the table
	runner string   // value of --runner
	state  string   // state directory
	few    []string // cases that are built without the flag -all-runners
	// documented has the cases whose image differs, or whose step fails, for a reason that docs/runners.md
	// gives.
	documented map[string]string
	// omit removes from the description of an image what this way does not reproduce; nil removes nothing.
	omit func(string) string
}

// refusal is the beginning or the end of the error of a runner that refuses to run a step.
var refusal = regexp.MustCompile(`the portable runner |use --runner namespace`)

// located matches the location in an error: of the instruction, or the flag.
var located = regexp.MustCompile(`(?m)Dockerfile:\d+:\d+: error: |error: --\S+: `)

// links is the reason why a case differs if the root of each step is a copy.
const links = "no copy shows that a step opened a hard link for writing, but did not write"

// withoutNamespaces returns the cases that differ with the runner chroot.
func withoutNamespaces() map[string]string {
	const (
		proc    = "/proc contains no processes"
		devices = "a step cannot create devices, and has no kernel file systems"
		tmpfs   = "a tmpfs is a directory without a size"
	)
	return map[string]string{
		"workdir-proc": proc, "security-default": proc, "setuid": proc, "heredoc-redirect": proc, "mount-relative": proc,
		"mknod": devices, "cache-privileges": devices, "hard-links-others": devices, "mount-dev": devices, "whiteouts": devices, "devices": devices,
		"run-mount-tmpfs": tmpfs, "mount-basics": tmpfs, "resources": tmpfs,
		"foreign-calls": "system calls are not filtered", "hard-links-copied-up": links,
	}
}

// newWays returns all ways. It mounts an overlay with the state directory of those that cannot use
// overlays, as in a container without a volume. Temporary files are there, too, so that the runner
// finds no other directory for its overlays.
func newWays(t *testing.T) []*way {
	t.Helper()
	states := t.TempDir()
	dir := func(name string) string { return filepath.Join(states, name) }
	overlay := mountOverlay(t)
	t.Setenv("TMPDIR", overlay)
	return []*way{
		{name: "namespaces, overlay", runner: "namespace", state: dir("namespace")},
		{name: "namespaces, copies", runner: "namespace", state: filepath.Join(overlay, "state"), documented: map[string]string{"hard-links-copied-up": links}},
		{name: "namespaces of runc", runner: "oci", state: dir("oci"), few: []string{
			"cache-privileges", "limits", "mknod", "mount-stubs", "network-none", "run-mount-secret", "run-mount-ssh", "run-unknown",
			"security-insecure", "setuid", "system-directories", "users", "workdir-passes",
		}},
		{name: "chroot", runner: "chroot", state: dir("chroot"), documented: withoutNamespaces(), few: []string{
			"network-none", "run-mount-secret", "users", "workdir-passes",
		}},
		{name: "portable", runner: "portable", state: dir("portable"), omit: withoutDirTimes},
	}
}

// mountOverlay mounts an overlay and returns its directory.
func mountOverlay(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	opts := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", at("lower"), at("upper"), at("work"))
	if err := unix.Mount("overlay", at("merged"), "overlay", 0, opts); err != nil {
		t.Fatalf("mount an overlay: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at("merged"), unix.MNT_DETACH) })
	return at("merged")
}

// build returns the result of a case with the way w.
func (w *way) build(t *testing.T, c *testCase) string {
	t.Helper()
	return c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
		return solveImage(t, req, setState(w.state, w.runner))
	})
}

// outcome returns how the result of a case with the way w compares with BuildKit's: "same", "refused",
// "documented", or "different".
func (w *way) outcome(t *testing.T, c *testCase, want, got string) string {
	t.Helper()
	if w.omit != nil {
		want, got = w.omit(want), w.omit(got)
	}
	diff := imagetree.Difference(want, got)
	why, ok := w.documented[c.name]
	switch {
	case diff == "" && ok:
		t.Errorf("%s: the image is the same, although %s", w.name, why)
	case diff == "":
		return "same"
	case ok:
		return "documented"
	case refusal.MatchString(got) && located.MatchString(got):
		return "refused"
	default:
		t.Errorf("%s\nimage (-BuildKit +%s):\n%s\n%s", c.About, w.name, diff, got)
	}
	return "different"
}

// TestRunners checks that each way of running steps creates the same images as BuildKit, or refuses
// to run a step with an error that shows the instruction. With -all-runners, it builds all cases with
// RUN, and compares the table in COMPATIBILITY.md.
func TestRunners(t *testing.T) {
	ways := newWays(t)
	var mu sync.Mutex
	counts := map[string]map[string][]string{} // names of cases, by way and outcome
	for _, w := range ways {
		counts[w.name] = map[string][]string{}
	}
	t.Run("cases", func(t *testing.T) {
		for _, c := range slices.Concat(readCases(t, "image"), readCases(t, "solver")) {
			used := slices.DeleteFunc(slices.Clone(ways), func(w *way) bool {
				return !slices.Contains(w.few, c.name) && (!*allRunners || !strings.Contains(c.request.Dockerfile, "RUN "))
			})
			if len(used) == 0 {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				want := c.build(t, buildWithBuildKit)
				for _, w := range used {
					outcome := w.outcome(t, &c, want, w.build(t, &c))
					mu.Lock()
					counts[w.name][outcome] = append(counts[w.name][outcome], c.name)
					mu.Unlock()
				}
			})
		}
	})
	for name, outcomes := range counts {
		for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
			if outcome != "same" {
				slices.Sort(outcomes[outcome])
				t.Logf("%s: %s: %s", name, outcome, strings.Join(outcomes[outcome], " "))
			}
		}
	}
	if *allRunners && !t.Failed() {
		doctable.Check(t, "runners", runnersTable(ways, counts))
	}
}

// runnersTable returns the table of outcomes. The map counts has the names of cases by way and
// outcome.
func runnersTable(ways []*way, counts map[string]map[string][]string) string {
	var b strings.Builder
	b.WriteString("| way | cases with RUN | same image or error | refused | different as documented |\n|---|--:|--:|--:|--:|\n")
	for _, w := range ways {
		same, refused, documented := len(counts[w.name]["same"]), len(counts[w.name]["refused"]), len(counts[w.name]["documented"])
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", w.name, same+refused+documented, same, refused, documented)
	}
	return b.String()
}
