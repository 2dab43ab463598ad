//go:build integration

package buildfaults

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestConcurrentBuilds checks that concurrent builds can share a state directory, even if
// several of them are equal, and while other commands list, prune and garbage-collect it.
func TestConcurrentBuilds(t *testing.T) {
	const kinds, builds = 3, 4
	state := filepath.Join(t.TempDir(), "state")
	var sites [kinds]*site
	var want [kinds][]byte
	for i := range sites {
		s := newSite(t, killedDockerfile+fmt.Sprintf("RUN echo %d > /kind\n", i))
		s.write("changing", fmt.Sprint("kind ", i%2))
		s.write("files/x", "x")
		want[i] = s.build()
		s.state, sites[i] = state, s
	}
	ctx, stop := context.WithCancel(t.Context())
	var others errgroup.Group
	for _, args := range [][]string{{"cache", "prune", "--all", "--force"}, {"cache", "ls"}, {"cache", "prune", "--force", "--keep-storage", "4MB"}} {
		others.Go(func() error {
			for ctx.Err() == nil {
				if out, err := sites[0].start(append(args, "--state", state)...).CombinedOutput(); err != nil {
					return fmt.Errorf("%v: %w\n%s", args, err, out)
				}
			}
			return nil
		})
	}
	var all errgroup.Group
	for i := range kinds {
		for j := range 2 {
			all.Go(func() error {
				for k := range builds {
					dest := filepath.Join(sites[i].dir, fmt.Sprintf("out-%d-%d", j, k))
					keep := []string{"unlimited", "1MB"}[j] // limit of the garbage collection after the build
					if out, err := sites[i].command("-o", "type=oci,rewrite-timestamp=true,dest="+dest, "--keep-storage", keep).CombinedOutput(); err != nil {
						return fmt.Errorf("%w\n%s", err, out)
					}
					if got, err := os.ReadFile(dest); err != nil || !bytes.Equal(got, want[i]) {
						return fmt.Errorf("kind %d creates a different image (%d bytes, %w)", i, len(got), err)
					}
				}
				return nil
			})
		}
	}
	if err := all.Wait(); err != nil {
		t.Error(err)
	}
	stop()
	if err := others.Wait(); err != nil {
		t.Error(err)
	}
	sites[0].checkDigests()
	sites[0].build()
	sites[0].checkNoTemp()
}

// TestConcurrentCacheMounts checks the sharing modes of cache mounts in concurrent builds. Only
// one step at a time may use a locked mount, each step must get its own private mount, and all
// steps may use a shared mount concurrently.
func TestConcurrentCacheMounts(t *testing.T) {
	const builds = 6
	for _, tc := range []struct{ runner, sharing, script string }{
		{"namespace", "locked", "n=$(cat /c/n || echo 0); sleep 0.1; echo $((n+1)) > /c/n; cat /c/n > /seen"},
		{"portable", "locked", "n=$(cat /c/n || echo 0); sleep 0.1; echo $((n+1)) > /c/n; cat /c/n > /seen"},
		{"namespace", "private", "test ! -e /c/busy; touch /c/busy; sleep 0.2; rm /c/busy; echo private > /seen"},
		{"portable", "private", "test ! -e /c/busy; touch /c/busy; sleep 0.2; rm /c/busy; echo private > /seen"},
		{"namespace", "shared", "echo $V > /c/$V; echo shared > /seen"},
		{"portable", "shared", "sleep 0.1; echo $V > /c/$V; echo shared > /seen"},
	} {
		s := newSite(t, "FROM base\nARG V\nRUN --mount=type=cache,target=/c,sharing="+tc.sharing+" set -e; "+tc.script+"\nFROM scratch\nCOPY --from=0 /seen /\n")
		s.runner = tc.runner
		var all errgroup.Group
		for i := range builds {
			all.Go(func() error {
				if out, err := s.command("--build-arg", fmt.Sprint("V=", i), "-o", filepath.Join(s.dir, fmt.Sprint("out", i))).CombinedOutput(); err != nil {
					return fmt.Errorf("%w\n%s", err, out)
				}
				return nil
			})
		}
		if err := all.Wait(); err != nil {
			t.Errorf("%s %s: %v", tc.runner, tc.sharing, err)
			continue
		}
		seen := map[string]bool{}
		for i := range builds {
			data, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprint("out", i), "seen"))
			if err != nil {
				t.Error(err)
			}
			seen[strings.TrimSpace(string(data))] = true
		}
		if tc.sharing == "locked" && len(seen) != builds {
			t.Errorf("%s: %d builds saw only %v", tc.runner, builds, seen)
		}
		if kept, err := filepath.Glob(filepath.Join(s.state, "mounts", "*", "data", "[0-9]*")); err != nil || tc.sharing == "shared" && len(kept) != builds {
			t.Errorf("%s: %d builds left %q", tc.runner, builds, kept)
		}
	}
}

// TestConcurrentCacheExports checks that concurrent builds can export their caches to one directory
// under different tags, and that a later build can import each of them.
func TestConcurrentCacheExports(t *testing.T) {
	const builds = 8
	s := newSite(t, "FROM scratch\nCOPY --from=base / /\nARG V\nRUN echo $V > /v\n")
	s.runner = "portable"
	dir := filepath.Join(s.dir, "cache")
	var all errgroup.Group
	for i := range builds {
		all.Go(func() error {
			if out, err := s.command("--build-arg", fmt.Sprint("V=", i), "--cache-to", fmt.Sprintf("type=local,dest=%s,tag=%d", dir, i)).CombinedOutput(); err != nil {
				return fmt.Errorf("%w\n%s", err, out)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	for i := range builds {
		s.state = filepath.Join(s.dir, fmt.Sprint("state", i))
		out, err := s.command("--build-arg", fmt.Sprint("V=", i), "--cache-from", fmt.Sprintf("type=local,src=%s,tag=%d", dir, i)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "CACHED") || strings.Contains(string(out), "warning") {
			t.Errorf("tag %d is not used: %v\n%s", i, err, out)
		}
	}
}
