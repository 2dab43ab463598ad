package answers

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// TestArrange checks layouts of random graphs: edges lead to the right, boxes of a layer do not
// overlap, all boxes are inside of the drawing, and equal graphs have equal layouts.
func TestArrange(t *testing.T) {
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			n := 1 + r.IntN(30)
			var edges [][2]int
			sources := make([]bool, n)
			for to := range n {
				sources[to] = r.IntN(4) == 0
				for range r.IntN(4) {
					if from := r.IntN(to + 1); !sources[to] && from != to {
						edges = append(edges, [2]int{from, to})
					}
				}
			}
			boxes := make([]box, n)
			for i := range boxes {
				boxes[i] = box{width: 50 + r.IntN(200), height: 20 + r.IntN(80)}
			}
			l := arrange(slices.Clone(boxes), edges, sources)
			checkLayout(t, l, edges)
			if again := arrange(slices.Clone(boxes), edges, sources); !reflect.DeepEqual(l, again) {
				t.Error("a second layout is different")
			}
		})
	}
}

func checkLayout(t *testing.T, l *layout, edges [][2]int) {
	t.Helper()
	for i, e := range edges {
		path := l.lines[i]
		if len(path) < 2 || path[0] != e[0] || path[len(path)-1] != e[1] {
			t.Fatalf("edge %v has the line %v", e, path)
		}
		for k := range len(path) - 1 {
			if a, b := l.boxes[path[k]], l.boxes[path[k+1]]; a.x+a.width >= b.x {
				t.Errorf("edge %v: box %+v is not to the left of %+v", e, a, b)
			}
		}
	}
	for _, layer := range l.layers {
		end := 0
		for _, i := range layer {
			b := l.boxes[i]
			if b.y < end || b.x < 0 || b.x+b.width > l.width || b.y+b.height > l.height {
				t.Errorf("box %+v overlaps another one, or is outside of %d × %d", b, l.width, l.height)
			}
			end = b.y + b.height
		}
	}
}

// TestArrangeCycle checks that a graph with an edge from a node to itself, which an ONBUILD trigger
// can make, or with another cycle, has a layout.
func TestArrangeCycle(t *testing.T) {
	l := arrange(make([]box, 3), [][2]int{{0, 0}, {1, 2}, {2, 1}}, make([]bool, 3))
	if l.lines[0] != nil || len(l.boxes) != 3 {
		t.Errorf("got lines %v and %d boxes", l.lines, len(l.boxes))
	}
}

// TestArrangeMany checks that a graph with many long edges has few virtual boxes.
func TestArrangeMany(t *testing.T) {
	const n = 1000
	var edges [][2]int
	for i := 1; i < n; i++ {
		edges = append(edges, [2]int{i - 1, i}, [2]int{0, i})
	}
	if l := arrange(make([]box, n), edges, make([]bool, n)); len(l.boxes) > n+maxVirtual {
		t.Errorf("there are %d boxes", len(l.boxes))
	}
}

// TestOrder checks that the layout avoids crossings that it can avoid.
func TestOrder(t *testing.T) {
	boxes := make([]box, 6)
	for i := range boxes {
		boxes[i] = box{width: 10, height: 10}
	}
	l := arrange(boxes, [][2]int{{0, 5}, {1, 4}, {2, 3}}, make([]bool, 6))
	for i := range 2 {
		if l.boxes[i].y < l.boxes[i+1].y != (l.boxes[5-i].y < l.boxes[4-i].y) {
			t.Errorf("the edges of boxes %d and %d cross: %+v", i, i+1, l.boxes)
		}
	}
}
