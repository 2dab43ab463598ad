//go:build integration

package builds

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"slipway/integration/rig"
	"slipway/solver/runner/chroot"
	"slipway/solver/runner/namespace"
)

var (
	seed    = flag.Uint64("seed", 1, "seed of the builds")
	count   = flag.Int("n", 100, "number of cases, each of one to three builds")
	only    = flag.Int("only", -1, "`number` of the only build to run; -1 for all")
	from    = flag.Int("from", 0, "number of the first build")
	workers = flag.Int("workers", 4, "number of concurrent builds")
	file    = flag.String("case", "", "compare the case in this `file` instead of generated ones")
	verbose = flag.Bool("verbose", false, "print each build and its outcomes")
	way     = flag.String("runner", "namespace", "runner of our solver: namespace, chroot")
	timeout = flag.Duration("case-timeout", 0, "limit for the duration of a case on a busy machine; 0 means 30 seconds")
	shrinks = flag.Int("shrink", 3, "number of differing builds of each kind to shrink")
)

// startTime is a time before the first build. Files with later times were created by a build.
var startTime = time.Now()

func TestMain(m *testing.M) {
	namespace.Main() // these run and exit if this is a child process of a build
	chroot.Main()
	flag.Parse()
	os.Exit(m.Run())
}

// TestBuilds checks that our solver and BuildKit produce the same results for random
// builds.
func TestBuilds(t *testing.T) {
	r, err := rig.Start(t.Context(), rig.Options{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	run := &Runner{Rig: r, State: filepath.Join(r.Dir, "state"), Dir: r.Dir, Start: startTime, Way: *way, Timeout: *timeout}
	if *verbose {
		run.Log = os.Stderr
	}
	if *file != "" {
		text, err := os.ReadFile(*file)
		if err != nil {
			t.Fatal(err)
		}
		diff, err := run.Compare(t.Context(), text)
		if diff != "" || err != nil {
			t.Errorf("%s%v", diff, err)
		}
		return
	}
	first, end := *from, *from+*count
	if *only >= 0 {
		first, end = *only, *only+1
	}
	f := &findings{t: t, run: run, kinds: map[string]int{}}
	numbers := make(chan int)
	var wg sync.WaitGroup
	var done atomic.Int32
	start := time.Now()
	for range *workers {
		wg.Go(func() {
			for n := range numbers {
				f.try(n)
				if d := done.Add(1); d%100 == 0 {
					fmt.Fprintf(os.Stderr, "%d builds, %.1f a second, findings %v\n", d, float64(d)/time.Since(start).Seconds(), f.summary())
				}
			}
		})
	}
	for n := first; n < end; n++ {
		numbers <- n
	}
	close(numbers)
	wg.Wait()
	t.Logf("%d builds of seed %d, %.1f a second; %d timed out, %d refused; findings: %v",
		end-first, *seed, float64(end-first)/time.Since(start).Seconds(), f.timedOut.Load(), run.refused.Load(), f.summary())
}

// findings collects the differences between our solver's and BuildKit's results for random
// cases.
type findings struct {
	t        *testing.T
	run      *Runner
	mu       sync.Mutex
	kinds    map[string]int
	timedOut atomic.Int32 // number of cases that timed out
}

func (f *findings) summary() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]int{}
	for k, n := range f.kinds {
		out[k] = n
	}
	return out
}

// try runs case number n with both builders. If the outcomes differ, try shrinks the case and
// reports it. It skips the shrinking if enough cases with the same kind of difference have
// already been shrunk.
func (f *findings) try(n int) {
	c := Generate(*seed, n)
	diff := f.compare(c, "")
	if diff == "" {
		return
	}
	kind := kindOf(diff)
	f.mu.Lock()
	f.kinds[kind]++
	small := f.kinds[kind] <= *shrinks
	f.mu.Unlock()
	if !small {
		f.t.Errorf("build %d of seed %d differs: %s", n, *seed, kind)
		return
	}
	attempt := 0
	Shrink(c, 150, func(c *Case) bool {
		attempt++
		d := f.compare(c, fmt.Sprintf("x%d", attempt))
		if d == "" || kindOf(d) != kind {
			return false
		}
		diff = d
		return true
	})
	f.t.Errorf("build %d of seed %d differs: %s\n%s\n%s", n, *seed, kind, diff, c.Text())
}

// compare returns the difference between the builders' outcomes for a case, or "" if the
// outcomes agree. If suffix is not "", the build shares no cache with builds of the same case
// that have a different suffix.
func (f *findings) compare(c *Case, suffix string) string {
	text := c.Text()
	if *way == "chroot" && needsNamespaces(text) {
		f.run.refused.Add(1)
		return ""
	}
	if suffix != "" {
		mark := fmt.Sprintf("c%d-%s", *seed, regexp.MustCompile(`\d+`).FindString(c.Title))
		text = []byte(strings.ReplaceAll(string(text), mark, mark+suffix))
	}
	diff, err := f.run.Compare(f.t.Context(), text)
	if errors.Is(err, context.DeadlineExceeded) {
		f.timedOut.Add(1)
		return ""
	}
	if err != nil {
		if suffix == "" {
			f.t.Errorf("%v\n%s", err, text)
		}
		return ""
	}
	return Unexcused(text, diff)
}

// needsNamespaces reports whether a step of a case needs something that exists only in namespaces:
// devices, or /proc/self, by which the shell of the image base/bare starts its commands. Without
// them, such a step may fail or have another result.
func needsNamespaces(text []byte) bool {
	return regexp.MustCompile(`mknod \S+ [bc] |base/bare|/proc/self`).Match(text)
}

// kindOf returns the kind of a difference: the names of the properties that differ. Findings
// are counted by kind.
func kindOf(diff string) string {
	var kinds []string
	for line := range strings.Lines(diff) {
		kind := ""
		fields := strings.Fields(line[1:])
		switch {
		case len(fields) < 2 || line[0] != '-' && line[0] != '+':
			continue
		case fields[0] == "layer" && len(fields) > 2:
			kind = line[:1] + fields[2]
			if strings.HasSuffix(line, " new\n") {
				kind += "(new)"
			}
		default:
			kind = line[:1] + strings.Trim(fields[0], ":")
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}
