package solver

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestAnySchedule builds random graphs of test vertices. Between builds, it changes
// definitions, deletes cached results and imports caches at random. It checks that values
// are right, that a vertex runs at most once per build and only if the target needs it, and
// that a second build without changes runs nothing. It also checks that [Job.Predict] predicts
// what runs.
func TestAnySchedule(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			p := &randomBuilds{g: newTestbed(t), r: rand.New(rand.NewPCG(seed, 0))}
			for i := range 3 + p.r.IntN(8) {
				p.names = append(p.names, fmt.Sprintf("t%d", i))
				p.lines = append(p.lines, "")
				p.redefine(i)
			}
			for range 8 {
				p.changeAndBuild()
				if t.Failed() {
					t.Fatalf("after:\n%s", strings.Join(p.log, "\n"))
				}
			}
		})
	}
}

// randomBuilds is a random sequence of builds in a [testbed].
type randomBuilds struct {
	g     *testbed
	r     *rand.Rand
	names []string
	lines []string // definitions of the test vertices, without the flag nocache
	log   []string
	// lost is true after results were deleted. In this case, a test vertex may have a result under
	// its key and another, imported one under the key of its definition. Dependents of the vertex
	// may then run once for each of the two results.
	lost bool
}

// logf adds a line to the log, which is printed if the test fails.
func (p *randomBuilds) logf(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf(format, args...))
}

// redefine gives vertex i a new random definition. Its inputs are vertices with smaller
// indexes. The numbers that vertices add are small, so that different vertices often have
// equal values.
func (p *randomBuilds) redefine(i int) {
	line := p.names[i] + " ="
	switch n := p.r.IntN(10); {
	case i == 0 || n == 0:
		line += [...]string{" local", " remote"}[p.r.IntN(2)]
	default:
		for range 1 + p.r.IntN(3) {
			line += " " + p.names[p.r.IntN(i)]
			if p.r.IntN(2) == 0 {
				line += "*"
			}
		}
	}
	line += fmt.Sprintf(" +%d", p.r.IntN(3))
	if p.r.IntN(6) == 0 && !strings.Contains(line, "local") && !strings.Contains(line, "remote") {
		line += " random"
	}
	p.lines[i] = line
	p.g.define(line)
	p.logf("%s", line)
}

// changeAndBuild makes a random change and builds a vertex twice. In the first build, some
// random vertices ignore the cache.
func (p *randomBuilds) changeAndBuild() {
	switch p.r.IntN(7) {
	case 6:
		p.changeRunner()
	case 0:
		p.loseResults()
	case 1:
		p.changeImports()
	default:
		if i := p.r.IntN(len(p.names)); !p.pinned()[p.names[i]] {
			p.redefine(i)
		}
	}
	target := p.names[len(p.names)-1-p.r.IntN(2)]
	forced := map[string]bool{}
	for i, name := range p.names {
		p.g.define(p.lines[i])
		if p.r.IntN(8) == 0 && p.g.vertices[name].source == "" {
			p.g.vertices[name].flags["nocache"] = true
			forced[name] = true
		}
	}
	p.build(target, forced, false)
	for i := range p.names {
		p.g.define(p.lines[i])
	}
	p.build(target, nil, true)
}

// pinned returns the vertices whose definitions must not change: those with the flag random,
// and their transitive inputs. A vertex with this flag has a new value after each run, and
// testbed.want knows only the last value. If a definition changed back, or if results were
// deleted or imported, a build could use an older value.
func (p *randomBuilds) pinned() map[string]bool {
	pinned := map[string]bool{}
	for name, y := range p.g.vertices {
		if y.flags["random"] {
			maps.Copy(pinned, p.g.closure(name))
		}
	}
	return pinned
}

// changeRunner makes later builds use either a runner of real processes or a runner with a
// cache key. A build with a runner of real processes must never use values of the other
// runner.
func (p *randomBuilds) changeRunner() {
	if len(p.pinned()) == 0 {
		p.g.runner = [...]string{"", "a", "b"}[p.r.IntN(3)]
	}
	p.logf("runner %q", p.g.runner)
}

// loseResults deletes random entries from the local cache.
func (p *randomBuilds) loseResults() {
	if len(p.pinned()) > 0 {
		return
	}
	p.logf("lose")
	p.lost = true
	entries := p.g.cache.entries
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if p.r.IntN(3) == 0 {
			delete(entries, key)
		}
	}
}

// changeImports makes later builds import either nothing or the records that the last
// build exported. In the second case, it removes the results of some records, and makes
// some other results impossible to fetch.
func (p *randomBuilds) changeImports() {
	p.g.imports = nil
	if len(p.pinned()) > 0 || len(p.g.exported) == 0 || p.r.IntN(3) == 0 {
		p.logf("import nothing")
		return
	}
	p.g.imports = &testImports{records: slices.Clone(p.g.exported), broken: map[int]bool{}}
	for i, r := range p.g.imports.records {
		switch {
		case r.Result == nil:
		case p.r.IntN(4) == 0:
			p.g.imports.records[i].Result = nil
		case p.r.IntN(4) == 0:
			p.g.imports.broken[valueOf(r.Result)] = true
		}
	}
	p.logf("import %d records, broken: %v", len(p.g.imports.records), p.g.imports.broken)
}

// build builds a test vertex, and checks its value and which vertices ran. The vertices in forced
// ignore the cache. The parameter again is true if nothing has changed since the last build. In
// this case, no vertex may run.
func (p *randomBuilds) build(target string, forced map[string]bool, again bool) {
	g := p.g
	p.logf("build %s, without the cache for %v", target, slices.Sorted(maps.Keys(forced)))
	if len(p.pinned()) > 0 {
		g.imports = nil
	}
	known := g.predict(target)
	got, err := g.solve(target, func(o *Options) { o.Parallel = 1 + p.r.IntN(4) })
	p.logf("  ran %v; events: %s", g.ran, g.eventText())
	if err != nil {
		g.t.Errorf("%v", err)
		return
	}
	want := g.want(target, 0)
	if got%approximate != want || g.runner == "" && got != want {
		g.t.Errorf("value %d with runner %q, want %d", got, g.runner, want)
	}
	g.checkPrediction(known, target)
	need := g.closure(target)
	counts := map[string]int{}
	for _, name := range g.ran {
		counts[name]++
		if counts[name] > 1 {
			g.t.Errorf("%s ran twice", name)
		}
		if !need[name] {
			g.t.Errorf("%s ran, which %s does not need", name, target)
		}
	}
	for name := range forced {
		if need[name] && counts[name] == 0 {
			g.t.Errorf("%s did not run, although it ignores the cache", name)
		}
	}
	if again && len(g.ran) > 0 && (g.imports == nil || !p.lost) {
		g.t.Errorf("%v ran, although nothing changed", g.ran)
	}
}
