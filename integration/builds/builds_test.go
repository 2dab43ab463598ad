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
	"slipway/solver/runner/namespace"
)

var (
	seed    = flag.Uint64("seed", 1, "seed of the builds")
	count   = flag.Int("n", 200, "number of cases, each of one to three builds")
	only    = flag.Int("only", -1, "number of the only build")
	from    = flag.Int("from", 0, "number of the first build")
	workers = flag.Int("workers", 4, "builds at a time")
	file    = flag.String("case", "", "file of a case that is compared in place of generated ones")
	verbose = flag.Bool("verbose", false, "print each build and its outcomes")
	shrinks = flag.Int("shrink", 3, "how many failing builds of a kind are made smaller")
)

// began is before the first build.
var began = time.Now()

func TestMain(m *testing.M) {
	namespace.Main() // does not return in child processes of a build
	flag.Parse()
	os.Exit(m.Run())
}

// TestBuilds runs random builds with our solver and with BuildKit.
func TestBuilds(t *testing.T) {
	r, err := rig.Start(t.Context(), rig.Options{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	run := &Runner{Rig: r, State: filepath.Join(r.Dir, "state"), Dir: r.Dir, Began: began}
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
	t.Logf("%d builds of seed %d, %.1f a second; %d took too long; findings: %v",
		end-first, *seed, float64(end-first)/time.Since(start).Seconds(), f.hung.Load(), f.summary())
}

// findings are the builds for which the builders differ.
type findings struct {
	t     *testing.T
	run   *Runner
	mu    sync.Mutex
	kinds map[string]int
	hung  atomic.Int32 // number of cases that timed out
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

// try runs one build, and shrinks it if the builders differ.
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

// compare returns the difference for a case. The suffix separates it from the
// same case with another suffix.
func (f *findings) compare(c *Case, suffix string) string {
	text := c.Text()
	if suffix != "" {
		mark := fmt.Sprintf("c%d-%s", *seed, regexp.MustCompile(`\d+`).FindString(c.Title))
		text = []byte(strings.ReplaceAll(string(text), mark, mark+suffix))
	}
	diff, err := f.run.Compare(f.t.Context(), text)
	if errors.Is(err, context.DeadlineExceeded) {
		f.hung.Add(1)
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

// kindOf returns a short name for a difference, by which findings are counted.
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
