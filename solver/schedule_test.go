package solver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"slipway/solver/snapshot"

	"github.com/opencontainers/go-digest"
)

// TestSchedule checks which vertices run in a sequence of builds, which events the builds
// send, and which value, an integer, the target T of each build computes. The caches
// persist between the builds of a test case. Each line of the script of a test case defines
// a test vertex (see [parseVertex]) or is one of:
//
//	build T: a b   builds T; exactly a and b run, each once, and the value is right
//	fails T: a b   building T fails with errTest; a and b run
//	cached: a b    the last build reported a and b as cached
//	started: a b   the last build reported that a and b started
//	import         later builds import the records that the last build exported
//	import min     the same, but only the target has a result in the import
//	noimport       later builds import nothing
//	break 5        imported results with this value cannot be fetched
//	loaded: 5 6    values that the last build fetched from the import
//	failed: a      vertices for which the last build reported a failed import
//	runner x       the runner of later builds has the cache key x; it changes values
//	runner         the runner of later builds runs real processes
//	fresh          clears the local cache
//	forget 5       deletes results with this value from the local cache
func TestSchedule(t *testing.T) {
	for _, tc := range scheduleCases() {
		t.Run(tc.about, func(t *testing.T) {
			t.Parallel()
			s := &script{g: newTestbed(t)}
			s.lines(tc.script)
		})
	}
}

// script runs the lines of a [TestSchedule] test case in a testbed.
type script struct{ g *testbed }

// lines executes all lines of a script. The parameter text is the script, in the format
// of [TestSchedule].
func (s *script) lines(text string) {
	s.g.t.Helper()
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			s.line(line)
		}
	}
}

// line executes one line of a script. See [TestSchedule] for the format.
func (s *script) line(line string) {
	g := s.g
	g.t.Helper()
	verb, arg, _ := strings.Cut(line, " ")
	target, list, _ := strings.Cut(arg, ":")
	want := strings.Join(strings.Fields(list), " ")
	switch {
	case strings.HasPrefix(arg, "= "):
		g.define(line)
	case verb == "build", verb == "fails":
		s.build(target, want, verb == "fails")
	case verb == "cached:":
		s.equal(line, s.withEvent(Cached), arg)
	case verb == "started:":
		s.equal(line, s.withEvent(Started), arg)
	case verb == "loaded:":
		s.equal(line, g.imports.loaded, arg)
	case verb == "failed:":
		s.equal(line, g.imports.failed, arg)
	case verb == "import":
		s.useExport(arg == "min")
	case verb == "runner":
		g.runner = arg
	case verb == "noimport":
		g.imports = nil
	case verb == "fresh":
		g.cache = NewMemoryCache()
	case verb == "break", verb == "forget":
		value, err := strconv.Atoi(arg)
		if err != nil {
			g.t.Fatal(err)
		}
		if verb == "forget" {
			g.forget(value)
		} else {
			g.imports.broken[value] = true
		}
	default:
		g.t.Fatalf("unknown line %q", line)
	}
}

// build builds the test vertex with the name target and checks its value. If fails is true,
// build checks instead that evaluating the vertex fails with errTest. The parameter want
// lists the vertices that must run.
func (s *script) build(target, want string, fails bool) {
	g := s.g
	g.t.Helper()
	if g.imports != nil {
		g.imports.loaded, g.imports.failed = nil, nil
	}
	got, err := g.solve(target, nil)
	switch {
	case fails && !errors.Is(err, errTest):
		g.t.Errorf("building %s: error %v, want %v", target, err, errTest)
	case !fails && err != nil:
		g.t.Errorf("building %s: %v", target, err)
	case !fails && g.runner == "" && got != g.want(target, 0), !fails && got%approximate != g.want(target, 0):
		g.t.Errorf("building %s: value %d, want %d", target, got, g.want(target, 0))
	}
	s.equal("building "+target+" runs", g.ran, want)
}

// useExport makes later builds import the records that the last build exported. If minimal is
// true, it removes the result of every record except for the record of the target.
func (s *script) useExport(minimal bool) {
	records := slices.Clone(s.g.exported)
	for i := range records[:len(records)-1] {
		if minimal {
			records[i].Result = nil
		}
	}
	s.g.imports = &testImports{records: records, broken: map[int]bool{}}
}

// withEvent returns the names of the vertices for which the last build sent an event of
// the given kind.
func (s *script) withEvent(kind EventKind) []string {
	var list []string
	for _, e := range s.g.events {
		if e.Kind == kind {
			list = append(list, e.Vertex.Name())
		}
	}
	return list
}

// equal fails the test unless got contains exactly the words of want, in any order. The
// parameter what describes the compared words for the error message.
func (s *script) equal(what string, got []string, want string) {
	s.g.t.Helper()
	sorted := slices.Sorted(slices.Values(got))
	if list := slices.Sorted(slices.Values(strings.Fields(want))); !slices.Equal(sorted, list) {
		s.g.t.Errorf("%s: got %v, want %v; events: %s", what, sorted, list, s.g.eventText())
	}
}

type scheduleCase struct{ about, script string }

// TestShared checks that a job evaluates each vertex once, even if several graphs contain
// it and several goroutines request it.
func TestShared(t *testing.T) {
	g := newTestbed(t)
	for _, line := range []string{"a = +1", "b = a +2", "c = a +3", "d = a* +4"} {
		g.define(line)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	b := g.start(ctx, "a", nil)
	defer b.Wait()
	defer cancel()
	results := make(chan error)
	targets := []string{"b", "c", "d", "b", "c", "d"}
	for _, target := range targets {
		graph, err := Load(g.definition(target))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			s, err := b.Result(graph).Snapshot(ctx)
			if err == nil && valueOf(s) != g.want(target, 0) {
				err = errors.New(target + " has the wrong value")
			}
			results <- err
		}()
	}
	for range targets {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if got := slices.Sorted(slices.Values(g.ran)); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("%v ran, want a, b, c and d, once each", got)
	}
}

// TestIgnoredInSecondGraph checks that a vertex that ignores the cache runs even if an
// earlier graph of the same job has evaluated it. A third graph, which may use the cache,
// must get the outputs of the second run.
func TestIgnoredInSecondGraph(t *testing.T) {
	g := newTestbed(t)
	g.define("r = +1 random")
	g.define("w = r +1")
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	b := g.start(ctx, "w", nil)
	defer b.Wait()
	defer cancel()
	for _, tc := range []struct {
		line string
		ran  []string
	}{
		{"r = +1 random", []string{"r", "w"}},
		{"r = +1 random nocache", []string{"r", "r", "w", "w"}},
		{"r = +1 random", []string{"r", "r", "w", "w"}},
	} {
		g.define(tc.line)
		graph, err := Load(g.definition("w"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Result(graph).Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := valueOf(s), g.want("w", 0); got != want {
			t.Errorf("%s: value %d, want %d", tc.line, got, want)
		}
		if got := slices.Sorted(slices.Values(g.ran)); !slices.Equal(got, tc.ran) {
			t.Errorf("%s: %v ran up to now, want %v", tc.line, got, tc.ran)
		}
	}
}

// TestCancel checks that all goroutines of a job end when its context ends, and that each
// started vertex has an event Cached or Done. In the test cases, the context ends while
// vertices run, wait for a slot or wait for their inputs.
func TestCancel(t *testing.T) {
	for _, tc := range []struct {
		about    string
		vertices []string
		target   string
		parallel int
	}{
		{"running", []string{"a = hangs"}, "a", 1},
		{"source", []string{"a = remote hangs"}, "a", 1},
		{"source that waits for a slot", []string{"a = hangs", "b = remote", "c = a b"}, "c", 1},
		{"operation that waits for a slot", []string{"a = hangs", "b = hangs", "c = a b"}, "c", 1},
		{"waiting for an input", []string{"a = hangs", "b = a", "c = b*"}, "c", 4},
		{"waiting for the content of inputs", []string{"a = hangs", "b = hangs", "c = a* b*"}, "c", 4},
		{"prefetched input", []string{"a = hangs", "b = hangs", "c = a b*"}, "c", 4},
	} {
		t.Run(tc.about, func(t *testing.T) {
			g := newTestbed(t)
			for _, line := range tc.vertices {
				g.define(line)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			running := make(chan struct{}, len(tc.vertices))
			b := g.start(ctx, tc.target, func(o *Options) {
				o.Parallel = tc.parallel
				events := o.Events
				o.Events = func(e Event) {
					events(e)
					if e.Kind == Missed {
						running <- struct{}{}
					}
				}
			})
			graph, err := Load(g.definition(tc.target))
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				<-running
				cancel()
			}()
			if _, err := b.Result(graph).Snapshot(t.Context()); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want %v", err, context.Canceled)
			}
			b.Wait()
			g.checkEvents()
		})
	}
}

// TestCallerCanceled checks that a vertex keeps running if the context of the caller that
// started it ends, and that another caller gets the result of the vertex.
func TestCallerCanceled(t *testing.T) {
	g := newTestbed(t)
	g.define("a = meet +1")
	g.define("b = meet +1")
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	b := g.start(ctx, "a", nil)
	defer b.Wait()
	defer cancel()
	g.meeting = map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})}
	result := func(name string) *Result {
		graph, err := Load(g.definition(name))
		if err != nil {
			t.Fatal(err)
		}
		return b.Result(graph)
	}
	callerContext, cancelCaller := context.WithCancel(ctx)
	failed := make(chan error)
	a := result("a")
	go func() {
		_, err := a.Snapshot(callerContext)
		failed <- err
	}()
	<-g.meeting["a"] // a runs, and waits for b
	cancelCaller()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the canceled caller got %v, want %v", err, context.Canceled)
	}
	if _, err := result("b").Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	if s, err := a.Snapshot(ctx); err != nil || valueOf(s) != 1 {
		t.Errorf("the other caller got %d, %v, want 1", valueOf(s), err)
	}
}

// blockingOp is the operation of a test vertex. Its method Run sends a value to one channel,
// to report that it runs, and then blocks until it receives a value from another channel. For
// the vertex "sum", Run does not block. All operations of a test share two counters: running
// is the number of operations that are running, and peak is the maximum of this number.
type blockingOp struct {
	*testOp
	running      *atomic.Int32
	peak         *atomic.Int32 // maximum of running
	arrived, end chan struct{}
}

// Run implements [Op].
func (o blockingOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	n := o.running.Add(1)
	for peak := o.peak.Load(); n > peak && !o.peak.CompareAndSwap(peak, n); peak = o.peak.Load() {
	}
	if o.y.name != "sum" {
		o.arrived <- struct{}{}
		<-o.end
	}
	o.running.Add(-1)
	return o.testOp.Run(ctx, in)
}

// TestParallel checks that [Options.Parallel] is the number of operations that run
// concurrently, if enough operations can run.
func TestParallel(t *testing.T) {
	const all = 20
	for parallel, want := range map[int]int{0: 1, 1: 1, 3: 3, 100: all} {
		g := newTestbed(t)
		line := "sum ="
		for i := range all {
			g.define(fmt.Sprintf("a%d = +%d", i, i))
			line += fmt.Sprintf(" a%d*", i)
		}
		g.define(line)
		c := blockingOp{running: &atomic.Int32{}, peak: &atomic.Int32{}, arrived: make(chan struct{}), end: make(chan struct{})}
		go func() {
			for i := range all {
				<-c.arrived
				for range 100 { // give other operations the chance to run
					runtime.Gosched()
				}
				if i >= want-1 {
					c.end <- struct{}{}
				}
			}
			for range want - 1 {
				c.end <- struct{}{}
			}
		}()
		if _, err := g.solve("sum", func(o *Options) {
			o.Parallel = parallel
			newOp := o.NewOp
			o.NewOp = func(v *Vertex) Op {
				op := c
				op.testOp = newOp(v).(*testOp)
				return op
			}
		}); err != nil {
			t.Fatal(err)
		}
		if peak := int(c.peak.Load()); peak != want {
			t.Errorf("Parallel is %d: %d operations ran at once, want %d", parallel, peak, want)
		}
	}
}

// TestSnapshotID checks that Snapshot.ID and Result.Key return the same digest, both for
// the result of a build and for the input of this result.
func TestSnapshotID(t *testing.T) {
	g := newTestbed(t)
	g.define("a = two +1")
	g.define("b = a.1 +2")
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	b := g.start(ctx, "b", nil)
	defer b.Wait()
	defer cancel()
	graph, err := Load(g.definition("b"))
	if err != nil {
		t.Fatal(err)
	}
	r := b.Result(graph)
	for _, r := range []*Result{r, r.task.in[0]} {
		key, err := r.Key(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := r.Snapshot(ctx); err != nil || s.ID() != key {
			t.Errorf("the snapshot is %q, %v, want the key %q", s.ID(), err, key)
		}
	}
}

// TestResultKey checks that two results have the same key only if they are the same
// output of equal operations with the same inputs. If the key covers only the content
// of an input, different inputs with the same content must yield the same key, too.
func TestResultKey(t *testing.T) {
	key := func(lines ...string) digest.Digest {
		g := newTestbed(t)
		for _, line := range lines {
			g.define(line)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		last := g.order[len(g.order)-1]
		b := g.start(ctx, last, nil)
		defer b.Wait()
		defer cancel()
		graph, err := Load(g.definition(last))
		if err != nil {
			t.Fatal(err)
		}
		k, err := b.Result(graph).Key(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	base := key("a = +1", "b = a +2")
	for _, tc := range []struct {
		about string
		lines []string
		same  bool
	}{
		{"the same", []string{"a = +1", "b = a +2"}, true},
		{"an operation with another number", []string{"a = +1", "b = a +3"}, false},
		{"an input with another number", []string{"a = +2", "b = a +2"}, false},
		{"content instead of the whole input", []string{"a = +1", "b = a* +2"}, false},
		{"an input more", []string{"a = +1", "b = a a +2"}, false},
	} {
		if same := key(tc.lines...) == base; same != tc.same {
			t.Errorf("%s: the key is the same: %v, want %v", tc.about, same, tc.same)
		}
	}
	content := key("a = +3", "b = a* +2")
	if other := key("x = +1", "a = x +2", "b = a* +2"); other != content {
		t.Errorf("the same content from another operation has key %s, want %s", other, content)
	}
	if first, second := key("a = two +1", "b = a +2"), key("a = two +1", "b = a.1 +2"); first == second {
		t.Error("two outputs of one operation have the same key")
	}
	var none *Result
	if k, err := none.Key(t.Context()); err != nil || k != digest.FromString("scratch") {
		t.Errorf("the key of the empty tree is %s, %v, want %s", k, err, digest.FromString("scratch"))
	}
}
