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

	"slipway/solver/cachemap"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// toy is an operation that adds integers: its value is the sum of its inputs and its own
// number. The snapshot of a value contains one directory, whose owner is the user with
// this number as its id.
type toy struct {
	name   string
	inputs []toyInput
	add    int
	source string // "local" or "remote"; "" if it is not a source
	flags  map[string]bool
}

// toyInput is an input of a toy: an output of the toy called name.
type toyInput struct {
	name    string
	index   int
	content bool // the key covers its value and not its identity
}

// parseToy parses "name = input input* other.1 +3 flag flag". An asterisk marks an input
// whose content is part of the key. A number after a period is the index of an output.
// The flags:
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

// op returns the toy as an LLB operation, so that definitions and keys in exported caches
// are those for real operations.
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

// number returns the snapshot of a value.
func number(n int) *snapshot.Snapshot {
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

// valueOf returns the value of a snapshot.
func valueOf(s *snapshot.Snapshot) int { return int(s.Tree().Get("value").Meta().UID) }

// playground has toys, and the caches that are kept between builds.
type playground struct {
	t     *testing.T
	toys  map[string]*toy
	order []string // in order of definition
	cache *MemoryCache
	store *tree.Store

	imports  *toyImports
	exported []ChainRecord  // by the last build
	last     map[string]int // the number that each random toy added in its last run

	mu      sync.Mutex
	ran     []string // in the last build
	meeting map[string]chan struct{}
	events  []Event
}

func newPlayground(t *testing.T) *playground {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &playground{t: t, toys: map[string]*toy{}, cache: NewMemoryCache(), store: store, last: map[string]int{}}
}

// define adds a toy, or replaces the toy of the same name.
func (g *playground) define(line string) {
	y := parseToy(line)
	if g.toys[y.name] == nil {
		g.order = append(g.order, y.name)
	}
	g.toys[y.name] = y
}

// definition returns the definition of a toy and its transitive inputs.
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

// addTo adds a toy to a definition, after its inputs.
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

// closure returns the names of a toy and its transitive inputs.
func (g *playground) closure(target string) map[string]bool {
	need := map[string]bool{target: true}
	for _, in := range g.toys[target].inputs {
		maps.Copy(need, g.closure(in.name))
	}
	return need
}

// want returns the value of an output, evaluated sequentially.
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

// playOp is the operation of a toy.
type playOp struct {
	g *playground
	y *toy
	v *Vertex
}

var errToy = errors.New("the toy is broken")

// CacheMap implements [Op].
func (o *playOp) CacheMap(context.Context) (*CacheMap, error) {
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

func (o *playOp) content(_ context.Context, s *snapshot.Snapshot) ([]Part, error) {
	if o.y.flags["badkey"] {
		return nil, errToy
	}
	return []Part{{Name: "value", Digest: digest.FromString(strconv.Itoa(valueOf(s)))}}, nil
}

// Run implements [Op].
func (o *playOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	sum := o.y.add + o.begin()
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
		return []*snapshot.Snapshot{number(sum), number(sum + 1000)}, nil
	}
	return []*snapshot.Snapshot{number(sum)}, nil
}

// begin records that the toy runs. It returns the number that a random toy adds, or 0.
func (o *playOp) begin() int {
	o.g.mu.Lock()
	defer o.g.mu.Unlock()
	o.g.ran = append(o.g.ran, o.y.name)
	if o.y.flags["random"] {
		o.g.last[o.y.name] += 10_000
		return o.g.last[o.y.name]
	}
	return 0
}

// wait returns when all toys with flag "meet" run. A toy with flag "hangs" runs until the
// build ends.
func (o *playOp) wait(ctx context.Context) error {
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

// toyTimeout is the time after which the test cancels builds of toys that hang.
const toyTimeout = 20 * time.Second

// solve builds a toy and returns its value. change adapts the options, unless it is nil.
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

// start returns a job for the build of a toy.
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
		NewOp:  func(v *Vertex) Op { return &playOp{g: g, y: g.toys[v.Name()], v: v} },
	}
	if g.imports != nil {
		opt.Imports = g.imports
	}
	if change != nil {
		change(&opt)
	}
	return New(ctx, opt)
}

// checkEvents checks that each started vertex ended, and that only started vertices ran.
// A vertex may start again only if it was resolved or skipped before.
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

// forget deletes the results with this value from the cache.
func (g *playground) forget(value int) {
	maps.DeleteFunc(g.cache.results, func(_ digest.Digest, c CacheEntry) bool {
		return slices.ContainsFunc(c.Outputs, func(s *snapshot.Snapshot) bool { return valueOf(s) == value })
	})
}

// toyImports is an imported cache: the records that a build exported.
type toyImports struct {
	records []ChainRecord
	broken  map[int]bool // values whose results cannot be fetched

	mu             sync.Mutex
	loaded, failed []string
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

// linked reports whether a record has one of the links for each input.
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
