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
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// toy is an operation that adds integers, so that tests of the scheduler can check results
// without files. Its value is the sum of its inputs and of its own number. A snapshot
// stores a value as the user id of the directory "value".
type toy struct {
	name   string
	inputs []toyInput
	add    int
	source string // "local" or "remote"; "" if it is not a source
	flags  map[string]bool
}

// toyInput is an input of a toy. It refers to an output of another toy by name and index.
type toyInput struct {
	name    string
	index   int
	content bool // the cache key covers the value of the input instead of its identity
}

// parseToy parses the definition of a toy: "name = input input* other.1 +3 flag flag". An
// asterisk marks an input whose content is part of the cache key. A number after a period
// is the index of an output. These are the flags:
//
//	local, remote  a local directory, or a remote source
//	nocache        ignores the cache
//	random         adds another number in each run
//	fails, badmap  Run or CacheMap returns an error
//	badkey         the content of inputs cannot be read
//	two            has two outputs; the value of the second one is 1000 more
//	meet           runs until all toys with this flag run
//	hangs          runs until the build ends
func parseToy(line string) *toy {
	name, rest, _ := strings.Cut(line, " = ")
	t := &toy{name: name, flags: map[string]bool{}}
	for _, word := range strings.Fields(rest) {
		if n, ok := strings.CutPrefix(word, "+"); ok {
			t.add, _ = strconv.Atoi(n)
			continue
		}
		switch word {
		case "local", "remote":
			t.source = word
		case "nocache", "random", "fails", "badmap", "badkey", "two", "meet", "hangs":
			t.flags[word] = true
		default:
			var in toyInput
			var index string
			word, in.content = strings.CutSuffix(word, "*")
			in.name, index, _ = strings.Cut(word, ".")
			in.index, _ = strconv.Atoi(index)
			t.inputs = append(t.inputs, in)
		}
	}
	return t
}

// op returns the LLB operation of the toy: a source, or a process with a mount per input.
// digests contains the digests of the inputs by name.
func (y *toy) op(digests map[string]string) *pb.Op {
	if y.source != "" {
		scheme := map[string]string{"local": "local", "remote": "https"}[y.source]
		return &pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: scheme + "://" + y.name}}}
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

// snapshotOf returns a snapshot that stores a value.
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

// valueOf returns the value that a snapshot stores.
func valueOf(s *snapshot.Snapshot) int { return int(testtree.Of(s).Get("value").Meta().UID) }

// playground builds toys. Its caches persist between builds.
type playground struct {
	t     *testing.T
	toys  map[string]*toy
	order []string // names of toys in order of definition
	cache *MemoryCache
	store *tree.Store

	imports  *toyImports
	exported []ChainRecord  // records that the last build exported
	last     map[string]int // by random toy: the number that it added in its last run

	mu      sync.Mutex
	ran     []string                 // toys that ran in the last build, in order
	meeting map[string]chan struct{} // by toy with flag "meet": closed when it runs
	events  []Event                  // of the last build
}

// newPlayground returns a playground without toys and with empty caches.
func newPlayground(t *testing.T) *playground {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &playground{t: t, toys: map[string]*toy{}, cache: NewMemoryCache(), store: store, last: map[string]int{}}
}

// define adds the toy that line defines, or replaces the toy of the same name.
func (g *playground) define(line string) {
	y := parseToy(line)
	if g.toys[y.name] == nil {
		g.order = append(g.order, y.name)
	}
	g.toys[y.name] = y
}

// definition returns an LLB definition with a toy as its result.
func (g *playground) definition(target string) *pb.Definition {
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

// addTo adds a toy to a definition, after its transitive inputs, and its digest to
// digests.
func (g *playground) addTo(def *pb.Definition, digests map[string]string, name string) {
	if digests[name] != "" {
		return
	}
	for _, in := range g.toys[name].inputs {
		g.addTo(def, digests, in.name)
	}
	data, err := g.toys[name].op(digests).MarshalVT()
	if err != nil {
		g.t.Fatal(err)
	}
	digests[name] = digest.FromBytes(data).String()
	def.Def = append(def.Def, data)
	def.Metadata[digests[name]] = &pb.OpMetadata{
		IgnoreCache: g.toys[name].flags["nocache"], Description: map[string]string{"llb.customname": name},
	}
}

// closure returns the names of a toy and of its transitive inputs.
func (g *playground) closure(target string) map[string]bool {
	need := map[string]bool{target: true}
	for _, in := range g.toys[target].inputs {
		maps.Copy(need, g.closure(in.name))
	}
	return need
}

// want returns the expected value of an output of a toy. It evaluates the inputs
// recursively, without the scheduler.
func (g *playground) want(name string, index int) int {
	y := g.toys[name]
	sum := y.add + 1000*index
	if y.flags["random"] {
		sum += g.last[name]
	}
	for _, in := range y.inputs {
		sum += g.want(in.name, in.index)
	}
	return sum
}

// toyOp implements [Op] for a toy.
type toyOp struct {
	g *playground
	y *toy
	v *Vertex
}

// errToy is the error of toys with the flags fails, badmap and badkey.
var errToy = errors.New("the toy is broken")

// CacheMap implements [Op].
func (o *toyOp) CacheMap(context.Context) (*CacheMap, error) {
	if o.y.flags["badmap"] {
		return nil, errToy
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
func (o *toyOp) content(_ context.Context, s *snapshot.Snapshot) ([]Part, error) {
	if o.y.flags["badkey"] {
		return nil, errToy
	}
	return []Part{{Name: "value", Digest: digest.FromString(strconv.Itoa(valueOf(s)))}}, nil
}

// Run implements [Op].
func (o *toyOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	sum := o.y.add + o.recordRun()
	if err := o.wait(ctx); err != nil {
		return nil, err
	}
	for _, s := range in {
		sum += valueOf(s)
	}
	switch {
	case o.y.flags["fails"]:
		return nil, errToy
	case o.y.flags["two"]:
		return []*snapshot.Snapshot{snapshotOf(sum), snapshotOf(sum + 1000)}, nil
	}
	return []*snapshot.Snapshot{snapshotOf(sum)}, nil
}

// recordRun records that the toy runs. For a random toy, it returns the number to add in
// this run, otherwise 0.
func (o *toyOp) recordRun() int {
	o.g.mu.Lock()
	defer o.g.mu.Unlock()
	o.g.ran = append(o.g.ran, o.y.name)
	if o.y.flags["random"] {
		o.g.last[o.y.name] += 10_000
		return o.g.last[o.y.name]
	}
	return 0
}

// wait blocks a toy with the flag "meet" until all toys with this flag run, and a toy with
// the flag "hangs" until the build ends. Other toys do not wait.
func (o *toyOp) wait(ctx context.Context) error {
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

// toyTimeout is the time after which a test cancels a build, so that a bug in the
// scheduler fails the test instead of blocking it.
const toyTimeout = 20 * time.Second

// solve builds a toy and returns its value. If change is not nil, it may modify the
// options of the job.
func (g *playground) solve(target string, change func(*Options)) (int, error) {
	ctx, cancel := context.WithTimeout(g.t.Context(), toyTimeout)
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

// start returns a job for a build of a toy, and clears the records of the last build. If
// change is not nil, it may modify the options of the job.
func (g *playground) start(ctx context.Context, target string, change func(*Options)) *Job {
	g.ran, g.events, g.meeting = nil, nil, map[string]chan struct{}{}
	for name := range g.closure(target) {
		if g.toys[name].flags["meet"] {
			g.meeting[name] = make(chan struct{})
		}
	}
	opt := Options{
		Store: g.store, Cache: g.cache, Parallel: 100, Now: func() time.Time { return time.Unix(0, 0) },
		Events: func(e Event) { g.events = append(g.events, e) },
		NewOp:  func(v *Vertex) Op { return &toyOp{g: g, y: g.toys[v.Name()], v: v} },
	}
	if g.imports != nil {
		opt.Imports = g.imports
	}
	if change != nil {
		change(&opt)
	}
	return New(ctx, opt)
}

// checkEvents checks the order of the events of the last build: each vertex that starts
// also ends, and no vertex runs without having started. A vertex may start again only if
// it was resolved or skipped before.
func (g *playground) checkEvents() {
	g.t.Helper()
	state := map[string]string{}
	for _, e := range g.events {
		name := e.Vertex.Name()
		switch was := state[name]; {
		case e.Kind == Started && (was == "" || was == "resolved" || was == "skipped"):
			state[name] = "started"
		case e.Kind == Done && was == "started" && g.toys[name].source != "":
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
func (g *playground) eventText() string {
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

// forget deletes the entries with this value from the local cache.
func (g *playground) forget(value int) {
	maps.DeleteFunc(g.cache.entries, func(_ digest.Digest, c CacheEntry) bool {
		return slices.ContainsFunc(c.Outputs, func(s *snapshot.Snapshot) bool { return valueOf(s) == value })
	})
}

// toyImports implements [Imports] with the records that an earlier build exported.
type toyImports struct {
	records []ChainRecord
	broken  map[int]bool // values whose results cannot be fetched

	mu             sync.Mutex
	loaded, failed []string // values fetched; names of vertices whose import failed
}

// Find implements [Imports].
func (c *toyImports) Find(name digest.Digest, inputs [][]Link) []Record {
	var list []Record
	for i, r := range c.records {
		if r.Name == name && len(r.Inputs) == len(inputs) && c.linked(r, inputs) {
			list = append(list, Record{Index: i})
		}
	}
	return list
}

// linked reports whether record r has, for each input, at least one of the given links.
func (*toyImports) linked(r ChainRecord, inputs [][]Link) bool {
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
func (c *toyImports) Result(records []Record) digest.Digest {
	for _, r := range slices.Backward(records) {
		if c.records[r.Index].Result != nil {
			return digest.Digest(strconv.Itoa(r.Index))
		}
	}
	return ""
}

// Load implements [Imports].
func (c *toyImports) Load(_ context.Context, result digest.Digest) (*snapshot.Snapshot, error) {
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

// Failed implements [Imports].
func (c *toyImports) Failed(of *Vertex, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, of.Name())
}
