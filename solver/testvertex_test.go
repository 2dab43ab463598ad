package solver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/testtree"
	"slipway/solver/cachemap"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// testVertex is a vertex that adds integers, so that tests of the scheduler can check
// results without files. Its value is the sum of its field add and of the values of its
// inputs. A snapshot stores a value as the user id of the directory "value".
type testVertex struct {
	name   string
	inputs []testInput
	add    int
	source string // "local" or "remote"; "" if it is not a source
	flags  map[string]bool
}

// testInput is an input of a test vertex: an output of another vertex, by name and index.
type testInput struct {
	name    string
	index   int
	content bool // the cache key covers the value of the input instead of its identity
}

// parseVertex parses the definition of a test vertex, such as "name = a b* c.1 +3 nocache",
// which has three inputs and adds 3. An asterisk marks an input whose content is part of
// the cache key. A number after a period is the index of an output. These are the flags:
//
//	local, remote  a local directory, or a remote source
//	nocache        ignores the cache
//	random         adds another number in each run
//	fails, badmap  Run or CacheMap returns an error
//	badkey         the content of inputs cannot be read
//	two            has two outputs; the value of the second one is 1000 more
//	meet           runs until all vertices with this flag run
//	hangs          runs until the build ends
//	merge          is a merge operation instead of a RUN step; adds 0
func parseVertex(line string) *testVertex {
	name, rest, _ := strings.Cut(line, " = ")
	t := &testVertex{name: name, flags: map[string]bool{}}
	for _, word := range strings.Fields(rest) {
		if n, ok := strings.CutPrefix(word, "+"); ok {
			t.add, _ = strconv.Atoi(n)
			continue
		}
		switch word {
		case "local", "remote":
			t.source = word
		case "nocache", "random", "fails", "badmap", "badkey", "two", "meet", "hangs", "merge":
			t.flags[word] = true
		default:
			var in testInput
			var index string
			word, in.content = strings.CutSuffix(word, "*")
			in.name, index, _ = strings.Cut(word, ".")
			in.index, _ = strconv.Atoi(index)
			t.inputs = append(t.inputs, in)
		}
	}
	return t
}

// op returns the LLB operation of the vertex: a source, or a process with one mount for each
// input. The parameter digests maps the names of the inputs to the digests of their
// operations.
func (y *testVertex) op(digests map[string]string) *pb.Op {
	if y.source != "" {
		scheme := map[string]string{"local": "local", "remote": "https"}[y.source]
		return &pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: scheme + "://" + y.name}}}
	}
	if y.flags["merge"] {
		merge := &pb.MergeOp{}
		op := &pb.Op{Op: &pb.Op_Merge{Merge: merge}}
		for i, in := range y.inputs {
			merge.Inputs = append(merge.Inputs, &pb.MergeInput{Input: int64(i)})
			op.Inputs = append(op.Inputs, &pb.Input{Digest: digests[in.name], Index: int64(in.index)})
		}
		return op
	}
	exec := &pb.ExecOp{Meta: &pb.Meta{Args: []string{y.name, strconv.Itoa(y.add)}, Cwd: "/"}}
	exec.Mounts = append(exec.Mounts, &pb.Mount{Dest: "/", Input: -1, Output: 0})
	if y.flags["two"] {
		exec.Mounts = append(exec.Mounts, &pb.Mount{Dest: "/second", Input: -1, Output: 1})
	}
	op := &pb.Op{Op: &pb.Op_Exec{Exec: exec}}
	for i, in := range y.inputs {
		m := &pb.Mount{Dest: fmt.Sprintf("/in%d", i), Input: int64(i), Output: -1, ContentCache: pb.MountContentCache_OFF}
		if in.content {
			m.ContentCache = pb.MountContentCache_ON
		}
		exec.Mounts = append(exec.Mounts, m)
		op.Inputs = append(op.Inputs, &pb.Input{Digest: digests[in.name], Index: int64(in.index)})
	}
	return op
}

// snapshotOf returns a snapshot that stores n, the value of a test vertex.
func snapshotOf(n int) *snapshot.Snapshot {
	dir, err := tree.NewDir(tree.Meta{UID: uint32(n)}, nil)
	if err != nil {
		panic(err)
	}
	root, err := tree.NewDir(tree.Meta{}, []tree.Entry{{Name: "value", Node: dir}})
	if err != nil {
		panic(err)
	}
	return snapshot.New(root, nil)
}

// valueOf returns the value that the snapshot s stores for a test vertex.
func valueOf(s *snapshot.Snapshot) int {
	return int(testtree.Must(testtree.Of(s).Get("value")).Meta().UID)
}

// testbed defines and builds test vertices. Its caches persist between builds.
type testbed struct {
	t        *testing.T
	vertices map[string]*testVertex
	order    []string // names of test vertices in order of definition
	cache    *MemoryCache
	store    *tree.Store

	runner   string // cache key of the runner; "" if it runs real processes
	imports  *testImports
	exported []ChainRecord  // records that the last build exported
	last     map[string]int // by random test vertex: the number that it added in its last run

	mu      sync.Mutex
	ran     []string                 // test vertices that ran in the last build, in order
	meeting map[string]chan struct{} // by test vertex with flag "meet": closed when it runs
	events  []Event                  // events of the last build
}

// newTestbed returns a testbed without vertices and with empty caches.
func newTestbed(t *testing.T) *testbed {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &testbed{t: t, vertices: map[string]*testVertex{}, cache: NewMemoryCache(), store: store, last: map[string]int{}}
}

// define parses the definition of a test vertex in the format of [parseVertex], and adds the
// vertex. If a vertex with the same name exists, define replaces it.
func (g *testbed) define(line string) {
	y := parseVertex(line)
	if g.vertices[y.name] == nil {
		g.order = append(g.order, y.name)
	}
	g.vertices[y.name] = y
}

// definition returns an LLB definition whose result is the vertex with the name target.
func (g *testbed) definition(target string) *pb.Definition {
	def := &pb.Definition{Metadata: map[string]*pb.OpMetadata{}}
	digests := map[string]string{}
	g.addTo(def, digests, target)
	root, err := (&pb.Op{Inputs: []*pb.Input{{Digest: digests[target]}}}).MarshalVT()
	if err != nil {
		g.t.Fatal(err)
	}
	def.Def = append(def.Def, root)
	return def
}

// addTo adds the vertex with the given name to a definition, after its transitive inputs. It
// also adds the digest of the vertex to digests.
func (g *testbed) addTo(def *pb.Definition, digests map[string]string, name string) {
	if digests[name] != "" {
		return
	}
	for _, in := range g.vertices[name].inputs {
		g.addTo(def, digests, in.name)
	}
	data, err := g.vertices[name].op(digests).MarshalVT()
	if err != nil {
		g.t.Fatal(err)
	}
	digests[name] = digest.FromBytes(data).String()
	def.Def = append(def.Def, data)
	def.Metadata[digests[name]] = &pb.OpMetadata{
		IgnoreCache: g.vertices[name].flags["nocache"], Description: map[string]string{"llb.customname": name},
	}
}

// closure returns the names of a vertex and of its transitive inputs.
func (g *testbed) closure(target string) map[string]bool {
	need := map[string]bool{target: true}
	for _, in := range g.vertices[target].inputs {
		maps.Copy(need, g.closure(in.name))
	}
	return need
}

// want returns the expected value of an output of a vertex. It computes the values of the
// inputs recursively, without the scheduler.
func (g *testbed) want(name string, index int) int {
	y := g.vertices[name]
	sum := y.add + 1000*index
	if y.flags["random"] {
		sum += g.last[name]
	}
	for _, in := range y.inputs {
		sum += g.want(in.name, in.index)
	}
	return sum
}

// testOp implements [Op] for a [testVertex].
type testOp struct {
	g *testbed
	y *testVertex
	v *Vertex
}

// errTest is the error of vertices with the flags fails, badmap and badkey.
var errTest = errors.New("the vertex is broken")

// CacheMap implements [Op].
func (o *testOp) CacheMap(context.Context) (*CacheMap, error) {
	if o.y.flags["badmap"] {
		return nil, errTest
	}
	if o.y.source != "" {
		m := &CacheMap{Parts: []Part{{Name: "content", Digest: digest.FromString(strconv.Itoa(o.y.add)), Input: -1}}}
		if o.y.source == "remote" {
			m.Exported = cachemap.OfSource(o.y.name + " " + strconv.Itoa(o.y.add))
		}
		return m, nil
	}
	m, err := opEnv{v: o.v}.cacheMap(nil)
	if err != nil {
		return nil, err
	}
	for i, in := range o.y.inputs {
		if in.content {
			m.Deps[i].Content = o.content
		}
	}
	return m, nil
}

// content returns the part of the cache key that covers the value of an input.
func (o *testOp) content(_ context.Context, s *snapshot.Snapshot) ([]Part, error) {
	if o.y.flags["badkey"] {
		return nil, errTest
	}
	return []Part{{Name: "value", Digest: digest.FromString(strconv.Itoa(valueOf(s)))}}, nil
}

// Run implements [Op].
func (o *testOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	sum := o.y.add + o.recordRun()
	if err := o.wait(ctx); err != nil {
		return nil, err
	}
	for _, s := range in {
		sum += valueOf(s)
	}
	if o.v.Op.GetExec() != nil && o.g.runner != "" {
		sum += approximate
	}
	switch {
	case o.y.flags["fails"]:
		return nil, errTest
	case o.y.flags["two"]:
		return []*snapshot.Snapshot{snapshotOf(sum), snapshotOf(sum + 1000)}, nil
	}
	return []*snapshot.Snapshot{snapshotOf(sum)}, nil
}

// recordRun records that the vertex runs. For a vertex with the flag random, it returns a
// number that is different in each run. Run adds this number to the value of the vertex. For
// other vertices, it returns 0.
func (o *testOp) recordRun() int {
	o.g.mu.Lock()
	defer o.g.mu.Unlock()
	o.g.ran = append(o.g.ran, o.y.name)
	if o.y.flags["random"] {
		o.g.last[o.y.name] += 10_000
		return o.g.last[o.y.name]
	}
	return 0
}

// wait blocks a vertex with the flag "meet" until all vertices with this flag run, and a
// vertex with the flag "hangs" until the build ends. For other vertices, it returns at
// once.
func (o *testOp) wait(ctx context.Context) error {
	if o.y.flags["hangs"] {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if !o.y.flags["meet"] {
		return nil
	}
	close(o.g.meeting[o.y.name])
	for _, arrived := range o.g.meeting {
		select {
		case <-arrived:
		case <-ctx.Done():
			return fmt.Errorf("%s ran alone: %w", o.y.name, context.Cause(ctx))
		}
	}
	return nil
}

// approximate is added to the value of a RUN step if the runner has a cache key, to mark
// values that depend on the runner. It is larger than the sum of all other numbers.
const approximate = 1 << 20

// keyedRunner is a runner with a cache key. Its method Run is never called.
type keyedRunner struct {
	runner.Runner
	key string
	err error
}

// CacheKey implements [runner.Keyed].
func (r keyedRunner) CacheKey(context.Context) (string, error) { return r.key, r.err }

// testTimeout is the time after which a test cancels a build, so that a bug in the scheduler
// fails the test instead of blocking it.
const testTimeout = 20 * time.Second

// solve evaluates the vertex with the name target in a new job and returns its value. If
// change is not nil, it may modify the job's options first.
func (g *testbed) solve(target string, change func(*Options)) (int, error) {
	ctx, cancel := context.WithTimeout(g.t.Context(), testTimeout)
	b := g.start(ctx, target, change)
	defer func() {
		cancel()
		b.Wait()
		g.checkEvents()
	}()
	graph, err := Load(g.definition(target))
	if err != nil {
		g.t.Fatal(err)
	}
	r := b.Result(graph)
	s, err := r.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	if g.exported, err = b.Chains(ctx, []*Result{r}); err != nil {
		g.t.Fatal(err)
	}
	b.Finish(graph)
	return valueOf(s), nil
}

// start returns a new job for a build of the vertex with the name target. It clears the
// testbed's records about the last build. If change is not nil, it may modify the job's
// options first.
func (g *testbed) start(ctx context.Context, target string, change func(*Options)) *Job {
	g.ran, g.events, g.meeting = nil, nil, map[string]chan struct{}{}
	for name := range g.closure(target) {
		if g.vertices[name].flags["meet"] {
			g.meeting[name] = make(chan struct{})
		}
	}
	opt := Options{
		Store: g.store, Cache: g.cache, Parallel: 100, Now: func() time.Time { return time.Unix(0, 0) },
		Events: func(e Event) { g.events = append(g.events, e) },
		NewOp:  func(v *Vertex) Op { return &testOp{g: g, y: g.vertices[v.Name()], v: v} },
	}
	if g.imports != nil {
		opt.Imports = g.imports
	}
	opt.Runner = keyedRunner{key: g.runner}
	if change != nil {
		change(&opt)
	}
	return New(ctx, opt)
}

// checkEvents checks the order of the events of the last build: each vertex that starts
// also ends, and a vertex runs only after it has started. A vertex may start again only if
// it was resolved or skipped before.
func (g *testbed) checkEvents() {
	g.t.Helper()
	state := map[string]string{}
	for _, e := range g.events {
		name := e.Vertex.Name()
		switch was := state[name]; {
		case e.Kind == Started && (was == "" || was == "resolved" || was == "skipped"):
			state[name] = "started"
		case e.Kind == Done && was == "started" && g.vertices[name].source != "":
			state[name] = "resolved"
		case e.Kind == Cached && was == "":
			state[name] = "skipped"
		case e.Kind == Missed && was == "started":
			state[name] = "running"
		case e.Kind == Cached && was == "started", e.Kind == Done && (was == "started" || was == "running"):
			state[name] = "ended"
		default:
			g.t.Errorf("event %d of %s, which is %q; events: %s", e.Kind, name, was, g.eventText())
		}
	}
	for name, s := range state {
		if s != "ended" && s != "resolved" && s != "skipped" {
			g.t.Errorf("%s is %q after the build, want ended; events: %s", name, s, g.eventText())
		}
	}
}

// eventText returns the events of the last build as text, such as "a started, a runs, a
// done".
func (g *testbed) eventText() string {
	kinds := [...]string{Started: "started", Output: "output", Missed: "runs", Cached: "cached", Done: "done"}
	var list []string
	for _, e := range g.events {
		text := e.Vertex.Name() + " " + kinds[e.Kind]
		if e.Err != nil {
			text += " (" + e.Err.Error() + ")"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// forget deletes from the local cache each entry that contains an output with the given
// value.
func (g *testbed) forget(value int) {
	maps.DeleteFunc(g.cache.entries, func(_ digest.Digest, c CacheEntry) bool {
		return slices.ContainsFunc(c.Outputs, func(s *snapshot.Snapshot) bool { return valueOf(s) == value })
	})
}

// testImports implements [Imports] with the records that an earlier build exported.
type testImports struct {
	records []ChainRecord
	broken  map[int]bool // values whose results cannot be fetched

	mu             sync.Mutex
	loaded, failed []string // values fetched; names of vertices whose import failed
}

// Empty implements [Imports].
func (c *testImports) Empty() bool { return false }

// Find implements [Imports].
func (c *testImports) Find(name digest.Digest, inputs [][]Link) []Record {
	var list []Record
	for i, r := range c.records {
		if r.Name == name && len(r.Inputs) == len(inputs) && c.linked(r, inputs) {
			list = append(list, Record{Index: i})
		}
	}
	return list
}

// linked reports whether the record r has, for each input i, a link to one of the records
// in inputs[i].
func (*testImports) linked(r ChainRecord, inputs [][]Link) bool {
	for i, links := range inputs {
		if !slices.ContainsFunc(r.Inputs[i], func(have ChainLink) bool {
			return slices.ContainsFunc(links, func(l Link) bool {
				return l.Selector == have.Selector && slices.Contains(l.Records, Record{Index: have.Record})
			})
		}) {
			return false
		}
	}
	return true
}

// Result implements [Imports].
func (c *testImports) Result(records []Record) digest.Digest {
	for _, r := range slices.Backward(records) {
		if c.records[r.Index].Result != nil {
			return digest.Digest(strconv.Itoa(r.Index))
		}
	}
	return ""
}

// Load implements [Imports].
func (c *testImports) Load(_ context.Context, result digest.Digest) (*snapshot.Snapshot, error) {
	i, err := strconv.Atoi(string(result))
	if err != nil {
		return nil, err
	}
	s := c.records[i].Result
	if c.broken[valueOf(s)] {
		return nil, errors.New("the layer is damaged")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded = append(c.loaded, strconv.Itoa(valueOf(s)))
	return s, nil
}

// Contents implements [Imports].
func (c *testImports) Contents([]Record, int) []digest.Digest { return nil }

// Failed implements [Imports].
func (c *testImports) Failed(of *Vertex, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, of.Name())
}
