package builder

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"slipway/solver/runner"
	"slipway/solver/runner/namespace"
	"slipway/solver/tree"
)

// TestRunnerWarning checks that a build logs one warning if steps are interpreted without
// the user's request.
func TestRunnerWarning(t *testing.T) {
	none := errors.New("no namespaces")
	const warning = "warning: RUN steps are interpreted, as they cannot run in namespaces: no namespaces\n"
	for _, tc := range []struct {
		runner  string
		err     error
		fails   bool
		warning string
	}{
		{"auto", none, false, warning},
		{"auto", nil, false, ""},
		{"portable", none, false, ""},
		{"namespace", none, true, ""},
		{"oci", none, true, ""},
	} {
		o := options(t, "")
		var log bytes.Buffer
		o.Runner, o.Log = tc.runner, &log
		s, err := openLocal(&o, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newRunner(s, &o)
		c.available = func(context.Context) error { return tc.err }
		for range 2 {
			if _, err := c.choose(t.Context()); (err != nil) != tc.fails {
				t.Errorf("runner %s with %v: error %v, want one: %t", tc.runner, tc.err, err, tc.fails)
			}
		}
		if log.String() != tc.warning {
			t.Errorf("runner %s with %v: log %q, want %q", tc.runner, tc.err, &log, tc.warning)
		}
	}
}

// TestNoNamespaces checks that a build with resource limits fails if steps cannot run in
// namespaces.
func TestNoNamespaces(t *testing.T) {
	for want, o := range map[string]Options{
		"--memory: RUN steps would be interpreted, as they cannot run in namespaces: none (leave the limit out)": {Resources: map[string]string{"memory": "1"}},
		"--cgroup-parent: RUN steps would be": {CgroupParent: "x"},
	} {
		o.State, o.Now, o.Runner = t.TempDir(), time.Now, "auto"
		s, err := openLocal(&o, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newRunner(s, &o)
		c.available = func(context.Context) error { return errors.New("none") }
		if err := c.limit(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestFirstProcess checks the first process of a build on a machine without namespaces. Unless
// the user selected the namespace runner, the process must fail with errRefused. The repeated
// build must then interpret steps, log one warning and use different cache keys.
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
		for range 2 {
			_, err := again.Run(t.Context(), p)
			key, keyErr := again.CacheKey(t.Context())
			if err == nil || !strings.Contains(err.Error(), "exit code: 127") || again.namespaces != nil || key != "interpreted 1" || keyErr != nil {
				t.Errorf("with refused set: error %v, cache key %q, %v, want the error and the key of the portable runner", err, key, keyErr)
			}
		}
		if want := "warning: RUN steps are interpreted, as they cannot run in namespaces: no namespaces\n"; log.String() != want {
			t.Errorf("log %q, want %q", &log, want)
		}
	}
}

// TestRunnerKey checks the part of the cache key that each runner adds. For a runner that
// starts real processes, it must equal the key of package namespace. If no runner can be
// chosen, CacheKey must return an error.
func TestRunnerKey(t *testing.T) {
	none := errors.New("no namespaces")
	for _, tc := range []struct {
		runner    string
		available error
		key       string
	}{
		{"portable", nil, "interpreted 1"},
		{"namespace", nil, namespace.CacheKey()},
		{"auto", nil, namespace.CacheKey()},
	} {
		o := options(t, "")
		o.Runner = tc.runner
		s, err := openLocal(&o, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newRunner(s, &o)
		c.available = func(context.Context) error { return tc.available }
		if key, err := c.CacheKey(t.Context()); key != tc.key || err != nil {
			t.Errorf("runner %s: cache key %q, %v, want %q", tc.runner, key, err, tc.key)
		}
		c = newRunner(s, &o)
		c.available, c.refused = func(context.Context) error { return none }, true
		key, err := c.CacheKey(t.Context())
		if tc.runner == "namespace" && (key != "" || !errors.Is(err, none)) || tc.runner != "namespace" && (key != "interpreted 1" || err != nil) {
			t.Errorf("runner %s without namespaces: cache key %q, %v", tc.runner, key, err)
		}
	}
}

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
