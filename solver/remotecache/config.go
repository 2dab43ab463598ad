package remotecache

import (
	"encoding/json"
	"errors"
	"fmt"

	cacheconfig "github.com/moby/buildkit/cache/remotecache/v1/types"
)

// maxConfig is the maximum size of a manifest or config of a cache, in bytes. The limit of
// BuildKit is 1 MiB.
const maxConfig = 16 << 20

// decodeConfig parses the config of a cache. It returns an error if the config is invalid.
// See checkConfig.
func decodeConfig(data []byte) (*cacheconfig.CacheConfig, error) {
	var c cacheconfig.CacheConfig
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("cache config: %w", err)
	}
	if err := checkConfig(&c); err != nil {
		return nil, fmt.Errorf("cache config: %w", err)
	}
	return &c, nil
}

// checkConfig returns an error if a layer or record in a cache config refers to a missing
// layer or record. It also returns an error if one of them refers to itself, directly or
// through other layers or records.
func checkConfig(c *cacheconfig.CacheConfig) error {
	for i, l := range c.Layers {
		if err := l.Blob.Validate(); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		if l.ParentIndex < -1 || l.ParentIndex >= len(c.Layers) {
			return fmt.Errorf("layer %d is on layer %d of %d", i, l.ParentIndex, len(c.Layers))
		}
	}
	for i, r := range c.Records {
		if err := checkRecord(c, r); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	layers := func(i int) [][]int { return [][]int{{c.Layers[i].ParentIndex}} }
	if i := cycle(len(c.Layers), layers); i >= 0 {
		return fmt.Errorf("layer %d is on itself", i)
	}
	records := func(i int) [][]int {
		var list [][]int
		for _, input := range c.Records[i].Inputs {
			links := make([]int, len(input))
			for n, l := range input {
				links[n] = l.LinkIndex
			}
			list = append(list, links)
		}
		return list
	}
	if i := cycle(len(c.Records), records); i >= 0 {
		return fmt.Errorf("record %d is its own input", i)
	}
	return nil
}

// checkRecord returns an error if the digest of record r is invalid, or if an input or a
// result of r refers to a record or layer that config c lacks.
func checkRecord(c *cacheconfig.CacheConfig, r cacheconfig.CacheRecord) error {
	if err := r.Digest.Validate(); err != nil {
		return err
	}
	for _, input := range r.Inputs {
		if len(input) == 0 {
			return errors.New("an input has no links")
		}
		for _, l := range input {
			if l.LinkIndex < 0 || l.LinkIndex >= len(c.Records) {
				return fmt.Errorf("an input is record %d of %d", l.LinkIndex, len(c.Records))
			}
		}
	}
	var layers []int
	for _, res := range r.Results {
		layers = append(layers, res.LayerIndex)
	}
	for _, res := range r.ChainedResults {
		layers = append(layers, res.LayerIndexes...)
	}
	for _, l := range layers {
		if l < 0 || l >= len(c.Layers) {
			return fmt.Errorf("a result is layer %d of %d", l, len(c.Layers))
		}
	}
	return nil
}

// cycle returns the index of a node that can reach a cycle, or -1 if the graph has no
// cycle. The nodes have the indexes 0 to n-1. The function next returns the nodes to which
// edges lead from a node, in one or more lists. It may return negative indexes, which are
// ignored. cycle is not recursive, because paths may be long.
func cycle(n int, next func(int) [][]int) int {
	edges := make([]int, n)    // number of edges to nodes that are not in ready
	users := make([][]int, n)  // nodes with an edge to this node
	ready := make([]int, 0, n) // nodes from which no path leads into a cycle
	for i := range n {
		for _, list := range next(i) {
			for _, to := range list {
				if to >= 0 {
					edges[i]++
					users[to] = append(users[to], i)
				}
			}
		}
		if edges[i] == 0 {
			ready = append(ready, i)
		}
	}
	for at := 0; at < len(ready); at++ {
		for _, u := range users[ready[at]] {
			if edges[u]--; edges[u] == 0 {
				ready = append(ready, u)
			}
		}
	}
	for i, e := range edges {
		if e > 0 {
			return i
		}
	}
	return -1
}
