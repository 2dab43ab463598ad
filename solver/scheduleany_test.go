package solver

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestAnySchedule builds random graphs of toys repeatedly, with random changes and random
// losses. It compares the values with a sequential evaluation. Nothing runs twice in a
// build, and nothing runs that the target does not need. A build without changes runs
// only toys that ignore the cache.
func TestAnySchedule(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			p := &anyPlay{g: newPlayground(t), r: rand.New(rand.NewPCG(seed, 0))}
			for i := range 3 + p.r.IntN(8) {
				p.names = append(p.names, fmt.Sprintf("t%d", i))
				p.lines = append(p.lines, "")
				p.redefine(i)
			}
			for range 8 {
				p.step()
				if t.Failed() {
					t.Fatalf("after:\n%s", strings.Join(p.log, "\n"))
				}
			}
		})
	}
}

// anyPlay is a random sequence of builds.
type anyPlay struct {
	g     *playground
	r     *rand.Rand
	names []string
	lines []string // definitions of the toys, without the flag nocache
	log   []string
	// lost reports whether results were deleted. A step may then have one result under
	// its key and an imported one under the key of its definition. Its dependents run
	// once for each.
	lost bool
}

func (p *anyPlay) say(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf(format, args...))
}

// redefine gives toy i another definition, with earlier toys as inputs. Small numbers
// make equal content likely.
func (p *anyPlay) redefine(i int) {
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
	p.say("%s", line)
}

// step makes a random change and builds twice.
func (p *anyPlay) step() {
	switch p.r.IntN(6) {
	case 0:
		p.loseResults()
	case 1:
		p.importOrNot()
	default:
		if i := p.r.IntN(len(p.names)); !p.pinned()[p.names[i]] {
			p.redefine(i)
		}
	}
	target := p.names[len(p.names)-1-p.r.IntN(2)]
	forced := map[string]bool{}
	for i, name := range p.names {
		p.g.define(p.lines[i])
		if p.r.IntN(8) == 0 && p.g.toys[name].source == "" {
			p.g.toys[name].flags["nocache"] = true
			forced[name] = true
		}
	}
	p.build(target, forced, false)
	for i := range p.names {
		p.g.define(p.lines[i])
	}
	p.build(target, nil, true)
}

// pinned returns the random toys and their transitive inputs. A cache may have several
// results of a random toy, one for each of its definitions, but want returns only the
// last. These toys therefore keep their definitions, and no result is lost or imported.
func (p *anyPlay) pinned() map[string]bool {
	pinned := map[string]bool{}
	for name, y := range p.g.toys {
		if y.flags["random"] {
			maps.Copy(pinned, p.g.closure(name))
		}
	}
	return pinned
}

func (p *anyPlay) loseResults() {
	if len(p.pinned()) > 0 {
		return
	}
	p.say("lose")
	p.lost = true
	results := p.g.cache.results
	for _, key := range slices.Sorted(maps.Keys(results)) {
		if p.r.IntN(3) == 0 {
			delete(results, key)
		}
	}
}

// importOrNot makes the next builds import the records that the last build exported, with
// some of them missing or damaged.
func (p *anyPlay) importOrNot() {
	p.g.imports = nil
	if len(p.pinned()) > 0 || len(p.g.exported) == 0 || p.r.IntN(3) == 0 {
		p.say("import nothing")
		return
	}
	p.g.imports = &toyImports{records: slices.Clone(p.g.exported), broken: map[int]bool{}}
	for i, r := range p.g.imports.records {
		switch {
		case r.Result == nil:
		case p.r.IntN(4) == 0:
			p.g.imports.records[i].Result = nil
		case p.r.IntN(4) == 0:
			p.g.imports.broken[valueOf(r.Result)] = true
		}
	}
	p.say("import %d records, broken: %v", len(p.g.imports.records), p.g.imports.broken)
}

func (p *anyPlay) build(target string, forced map[string]bool, again bool) {
	g := p.g
	p.say("build %s, without the cache for %v", target, slices.Sorted(maps.Keys(forced)))
	if len(p.pinned()) > 0 {
		g.imports = nil
	}
	got, err := g.solve(target, func(o *Options) { o.Parallel = 1 + p.r.IntN(4) })
	p.say("  ran %v; events: %s", g.ran, g.eventText())
	if err != nil {
		g.t.Errorf("%v", err)
		return
	}
	if want := g.want(target, 0); got != want {
		g.t.Errorf("value %d, want %d", got, want)
	}
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
