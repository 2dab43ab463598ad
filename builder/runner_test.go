package builder

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"slipway/solver/runner"
	"slipway/solver/runner/interp"
	"slipway/solver/runner/namespace"
	"slipway/solver/tree"
)

// TestLadder checks which runner a build chooses, and that it logs one warning if steps run with
// less isolation than in namespaces. A runner without isolation must not be chosen outside of a
// container, or although namespaces are available, unless the user requests it.
func TestLadder(t *testing.T) {
	none, noRoot := errors.New("no namespaces"), errors.New("no root")
	const warning = "warning: RUN steps run in a changed root directory, isolated by nothing but this container, as they cannot run in namespaces: no namespaces (to allow namespaces: Docker: "
	for _, tc := range []struct {
		runner    string
		available error
		container bool
		chroot    error
		want      string // the runner, or the start of its error
		log       string // the start of the log
		os        string // of the machine; Linux if it is ""
	}{
		{"auto", nil, false, nil, "namespace", "", ""},
		{"auto", nil, true, nil, "namespace", "", ""},
		{"auto", none, true, nil, "chroot", warning, ""},
		{"auto", none, false, nil, "RUN steps cannot run on this machine: no namespaces (allow user namespaces, ", "", ""},
		{"auto", none, false, nil, "RUN steps cannot run on this machine: no namespaces (use --builder ADDRESS, or --runner portable, ", "", "darwin"},
		{"auto", none, true, noRoot, "RUN steps cannot run in this container: no namespaces; no root (to allow namespaces: Docker: ", "", ""},
		{"chroot", nil, false, nil, "chroot", "", ""},
		{"chroot", none, false, noRoot, "no root", "", ""},
		{"portable", none, true, nil, "portable", "", ""},
		{"namespace", none, true, nil, "no namespaces", "", ""},
		{"oci", none, true, nil, "no namespaces", "", ""},
	} {
		o := options(t, "")
		var log bytes.Buffer
		o.Runner, o.Log = tc.runner, &log
		s, err := openLocal(&o, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newRunner(s, &o)
		c.os = cmp.Or(tc.os, "linux")
		c.available = func(context.Context) error { return tc.available }
		c.inContainer = func() bool { return tc.container }
		c.openChroot = func() (runner.Opener, error) { return chrootRunner{}, tc.chroot }
		for range 2 {
			if got := chosen(t, c); !strings.HasPrefix(got, tc.want) {
				t.Errorf("%+v: chose %s", tc, got)
			}
		}
		if got := log.String(); !strings.HasPrefix(got, tc.log) || (got == "") != (tc.log == "") || strings.Count(got, "\n") > 1 {
			t.Errorf("%+v: log %q", tc, got)
		}
	}
}

// chrootRunner takes the place of the chroot runner.
type chrootRunner struct{ runner.Opener }

// chosen returns the name of the runner that c chooses, or the error of a process.
func chosen(t *testing.T, c *autoRunner) string {
	t.Helper()
	run, err := c.choose(t.Context())
	switch run := run.(type) {
	case chrootRunner:
		if err == nil {
			return "chroot"
		}
	case *namespace.Runner:
		return "namespace"
	case *interp.Runner:
		return "portable"
	case noRunner:
		_, err = run.Run(t.Context(), nil)
		if _, failed := run.Open(t.Context(), nil); !errors.Is(failed, err) {
			t.Errorf("a container fails with %v, want %v", failed, err)
		}
	}
	return err.Error()
}

// TestNoNamespaces checks that a build with resource limits fails if steps cannot run in
// namespaces.
func TestNoNamespaces(t *testing.T) {
	for want, o := range map[string]Options{
		"--memory: RUN steps have control groups only in namespaces: none (leave the limit out, or accept it with --unisolated limits)": {Resources: map[string]string{"memory": "1"}},
		"--cgroup-parent: RUN steps have": {CgroupParent: "x"},
	} {
		o.State, o.Now, o.Runner = t.TempDir(), time.Now, "auto"
		s, err := openLocal(&o, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newRunner(s, &o)
		c.available = func(context.Context) error { return errors.New("none") }
		c.inContainer = func() bool { return true }
		if err := c.limit(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestFirstProcess checks the first process of a build on a machine without namespaces. Unless
// the user selected the namespace runner, the process must fail with errRefused. The repeated
// build must not try namespaces again.
func TestFirstProcess(t *testing.T) {
	none := errors.New("no namespaces")
	for _, tc := range []struct {
		runner    string
		available error
		err       string
	}{
		{"auto", none, errRefused.Error()},
		{"auto", nil, "not a directory"},
		{"namespace", none, "no namespaces"},
	} {
		o := options(t, "")
		var log bytes.Buffer
		o.Runner, o.Log = tc.runner, &log
		s, err := openLocal(&o, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Namespace(), nil, 0o600); err != nil { // no process can start
			t.Fatal(err)
		}
		c := newRunner(s, &o)
		c.available, c.privileged = func(context.Context) error { return tc.available }, func() bool { return true }
		p := &runner.Process{Args: []string{"/none"}, Dir: "/"}
		p.Mounts = []runner.Mount{{Kind: runner.MountTree, Target: "/", Tree: tree.Empty(), Output: true}}
		if key, err := c.CacheKey(t.Context()); key != namespace.CacheKey() || err != nil {
			t.Errorf("runner %s with %v: cache key %q, %v, want the key of namespaces", tc.runner, tc.available, key, err)
		}
		if _, err := c.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), tc.err) || log.String() != "" {
			t.Errorf("runner %s with %v: error %v and log %q, want %s and no log", tc.runner, tc.available, err, &log, tc.err)
		}
		if tc.err != errRefused.Error() {
			continue
		}
		if err := os.Remove(s.Namespace()); err != nil { // processes could start
			t.Fatal(err)
		}
		again := newRunner(s, &o)
		again.available, again.refused = c.available, true
		again.inContainer = func() bool { return false }
		for range 2 {
			_, err := again.Run(t.Context(), p)
			if err == nil || !strings.HasPrefix(err.Error(), "RUN steps cannot run on this machine") || again.namespaces != nil {
				t.Errorf("with refused set: error %v, want that no runner is available", err)
			}
		}
	}
}

// TestRunnerKey checks the part of the cache key that each runner adds. For a runner that
// starts real processes, it must equal the key of package namespace, and also if no process can
// run. If the requested runner is not available, CacheKey must return an error.
func TestRunnerKey(t *testing.T) {
	none := errors.New("no namespaces")
	for _, tc := range []struct {
		runner    string
		available error
		container bool
		key       string
		err       error
	}{
		{"portable", nil, false, "interpreted 1", nil},
		{"namespace", nil, false, namespace.CacheKey(), nil},
		{"auto", nil, false, namespace.CacheKey(), nil},
		{"portable", none, false, "interpreted 1", nil},
		{"namespace", none, false, "", none},
		{"auto", none, false, namespace.CacheKey(), nil},
		{"auto", none, true, "a key", nil},
	} {
		o := options(t, "")
		o.Runner = tc.runner
		s, err := openLocal(&o, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newRunner(s, &o)
		c.available, c.refused = func(context.Context) error { return tc.available }, tc.available != nil
		c.inContainer = func() bool { return tc.container }
		c.openChroot = func() (runner.Opener, error) { return keyedRunner{}, nil }
		if key, err := c.CacheKey(t.Context()); key != tc.key || !errors.Is(err, tc.err) {
			t.Errorf("%+v: cache key %q, %v", tc, key, err)
		}
	}
}

// keyedRunner is a runner whose results have a cache key of their own.
type keyedRunner struct{ runner.Opener }

// CacheKey implements [runner.Keyed].
func (keyedRunner) CacheKey(context.Context) (string, error) { return "a key", nil }

// TestRunnerInterrupted checks a step that is canceled while it chooses the runner. The
// cancelation must not affect other steps. A step that waits for the choice must also end if
// it is canceled.
func TestRunnerInterrupted(t *testing.T) {
	o := options(t, "")
	var log bytes.Buffer
	o.Runner, o.Log = "auto", &log
	s, err := openLocal(&o, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := newRunner(s, &o)
	asked := make(chan struct{})
	c.available = func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := c.choose(ctx)
		first <- err
	}()
	<-asked
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := c.choose(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled step that waits gets %v, want %v", err, context.Canceled)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the step that was canceled first gets %v, want %v", err, context.Canceled)
	}
	c.available = func(context.Context) error { return nil }
	if run, err := c.choose(t.Context()); err != nil || log.Len() > 0 {
		t.Errorf("the next step gets %T, %v and the log %q, want no error and no warning", run, err, &log)
	}
}
