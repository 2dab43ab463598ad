package answers

import (
	"cmp"
	"slices"
)

// The layout of a graph has layers from left to right: each node is to the right of everything
// that it reads. It follows Sugiyama's method: layers by the longest path, virtual nodes where
// an edge crosses a layer, and an order in each layer by the medians of the neighbors. The
// graph of a Dockerfile is small, so this needs no library: those for Go either run Graphviz as
// WebAssembly, which alone is larger than the frontend, or are maintained for one product.

const (
	layerGap    = 64    // horizontal distance between layers, in pixels
	nodeGap     = 18    // vertical distance between nodes
	virtualSize = 8     // height of a virtual node
	sweeps      = 8     // number of passes that order the layers
	maxVirtual  = 10000 // maximum number of virtual nodes; longer edges are straight
)

// box is a node with its size and, after the layout, its position.
type box struct {
	width, height int
	x, y          int // of the top left corner
	layer         int
	virtual       bool
	in, out       []int // indexes of adjacent boxes in the layers to the left and to the right
}

// line is an edge with the indexes of the boxes that it connects: the first one, virtual ones,
// and the last one.
type line []int

// layout is a graph with positions.
type layout struct {
	boxes         []box
	lines         []line // one per edge; nil for an edge from a node to itself
	layers        [][]int
	width, height int
}

// arrange positions boxes that are connected by edges, given as pairs of indexes. The flag
// sources[i] is true if box i is a source, which is placed next to what reads it.
func arrange(boxes []box, edges [][2]int, sources []bool) *layout {
	l := &layout{boxes: boxes}
	l.assignLayers(edges, sources)
	l.addVirtual(edges)
	l.order()
	l.place()
	return l
}

// assignLayers sets the layer of each box to the length of the longest path to it.
func (l *layout) assignLayers(edges [][2]int, sources []bool) {
	left := make([]int, len(l.boxes)) // number of incoming edges that are not processed yet
	next := make([][]int, len(l.boxes))
	for _, e := range edges {
		if e[0] != e[1] {
			left[e[1]]++
			next[e[0]] = append(next[e[0]], e[1])
		}
	}
	var ready []int
	for i, n := range left {
		if n == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		i := ready[0]
		ready = ready[1:]
		for _, to := range next[i] {
			l.boxes[to].layer = max(l.boxes[to].layer, l.boxes[i].layer+1)
			if left[to]--; left[to] == 0 {
				ready = append(ready, to)
			}
		}
	}
	for i := range l.boxes {
		if !sources[i] || len(next[i]) == 0 {
			continue
		}
		first := slices.MinFunc(next[i], func(a, b int) int { return cmp.Compare(l.boxes[a].layer, l.boxes[b].layer) })
		l.boxes[i].layer = max(0, l.boxes[first].layer-1)
	}
}

// addVirtual fills in the layers and the lines. It adds a virtual box in each layer that an edge
// crosses.
func (l *layout) addVirtual(edges [][2]int) {
	virtual := 0
	for _, e := range edges {
		if e[0] == e[1] || l.boxes[e[0]].layer >= l.boxes[e[1]].layer {
			l.lines = append(l.lines, nil)
			continue
		}
		path := line{e[0]}
		span := l.boxes[e[1]].layer - l.boxes[e[0]].layer - 1
		if virtual += span; virtual <= maxVirtual {
			for k := range span {
				path = append(path, len(l.boxes))
				l.boxes = append(l.boxes, box{height: virtualSize, layer: l.boxes[e[0]].layer + k + 1, virtual: true})
			}
		}
		path = append(path, e[1])
		for k := range len(path) - 1 {
			a, b := path[k], path[k+1]
			l.boxes[a].out, l.boxes[b].in = append(l.boxes[a].out, b), append(l.boxes[b].in, a)
		}
		l.lines = append(l.lines, path)
	}
	for i, b := range l.boxes {
		for len(l.layers) <= b.layer {
			l.layers = append(l.layers, nil)
		}
		l.layers[b.layer] = append(l.layers[b.layer], i)
	}
}

// order sorts each layer by the medians of the neighbors in the layer before, then in the layer
// after it, and so on.
func (l *layout) order() {
	rank := make([]int, len(l.boxes))
	number := func() {
		for _, layer := range l.layers {
			for i, b := range layer {
				rank[b] = i
			}
		}
	}
	number()
	for pass := range sweeps {
		for k := range l.layers {
			neighbors := func(b int) []int { return l.boxes[b].in }
			layer := l.layers[k]
			if pass%2 == 1 {
				layer = l.layers[len(l.layers)-1-k]
				neighbors = func(b int) []int { return l.boxes[b].out }
			}
			weight := make(map[int]float64, len(layer))
			for i, b := range layer {
				weight[b] = median(neighbors(b), rank, float64(i))
			}
			slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(weight[a], weight[b]) })
			for i, b := range layer {
				rank[b] = i
			}
		}
	}
}

// median returns the median of the ranks of some boxes, or own if the list is empty.
func median(list, rank []int, own float64) float64 {
	if len(list) == 0 {
		return own
	}
	ranks := make([]int, len(list))
	for i, b := range list {
		ranks[i] = rank[b]
	}
	slices.Sort(ranks)
	m := len(ranks) / 2
	if len(ranks)%2 == 1 {
		return float64(ranks[m])
	}
	return float64(ranks[m-1]+ranks[m]) / 2
}

// place sets the positions: layers are columns, and each column is centered.
func (l *layout) place() {
	heights := make([]int, len(l.layers))
	for k, layer := range l.layers {
		for _, b := range layer {
			heights[k] += l.boxes[b].height + nodeGap
		}
		l.height = max(l.height, heights[k])
	}
	for k, layer := range l.layers {
		y, width := (l.height-heights[k]+nodeGap)/2, 0
		for _, b := range layer {
			l.boxes[b].x, l.boxes[b].y = l.width, y
			y += l.boxes[b].height + nodeGap
			width = max(width, l.boxes[b].width)
		}
		for _, b := range layer {
			if l.boxes[b].virtual {
				l.boxes[b].width = width // the edge crosses the whole column
			}
		}
		l.width += width + layerGap
	}
	l.width -= min(l.width, layerGap)
}
