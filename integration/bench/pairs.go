package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/frontend/options"
	"slipway/include"
	"slipway/internal/golden"
	"slipway/source"
)

// pair is a file with a gate and a plain file with the same operations.
type pair struct {
	name         string
	plain, gated file
}

// gateLine is the line that opts a file in to extensions.
const gateLine = "# slipway=1.0\n\n"

// allPairs returns all pairs. The names say what the file with the gate contains.
func allPairs() ([]pair, error) {
	none, err := options.Parse(nil)
	if err != nil {
		return nil, err
	}
	images := newResolver(golden.DefaultImages())
	amd64, err := platforms.Parse("linux/amd64")
	if err != nil {
		return nil, err
	}
	of := func(name, plain, gated string, included map[string][]byte) pair {
		f := file{text: []byte(plain), options: none, platforms: []ocispecs.Platform{amd64}, images: images}
		g := f
		g.text, g.included = []byte(gateLine+gated), included
		return pair{name, f, g}
	}
	list := []pair{of("gate: typical", typical, typical, nil)}
	for _, c := range chains {
		text := c.make(1000)
		list = append(list, of("gate: 1000 "+c.name, text, text, nil))
	}
	for _, lines := range []int{1, 10} {
		list = append(list, includes(of, 100, lines))
	}
	return list, nil
}

// includes returns a pair of a file that includes a number of files, each with the given number
// of instructions, and the plain file with all of their text.
func includes(of func(name, plain, gated string, included map[string][]byte) pair, files, lines int) pair {
	included := map[string][]byte{}
	plain, gated := strings.Builder{}, strings.Builder{}
	plain.WriteString("FROM alpine\n")
	gated.WriteString("FROM alpine\n")
	for i := range files {
		part := repeat(lines, fmt.Sprintf("RUN echo %d.%%d\n", i))
		name := fmt.Sprintf("parts/%d.dockerfile", i)
		included[name] = []byte(part)
		plain.WriteString(part)
		gated.WriteString("INCLUDE " + name + "\n")
	}
	return of(fmt.Sprintf("INCLUDE: %d files of %d", files, lines), plain.String(), gated.String(), included)
}

// includedFiles reads the files that a Dockerfile includes from memory. It implements
// [include.Reader].
type includedFiles struct {
	f    *file
	maps map[*source.File]*llb.SourceMap
}

// Files returns the files with the given paths.
func (r *includedFiles) Files(_ context.Context, _ string, paths []string) ([]include.Content, error) {
	if r.maps == nil {
		r.maps = map[*source.File]*llb.SourceMap{}
	}
	list := make([]include.Content, len(paths))
	for i, name := range paths {
		text, ok := r.f.included[name]
		if !ok {
			list[i].Missing = true
			continue
		}
		f := source.NewFile(name, text)
		r.maps[f] = llb.NewSourceMap(nil, name, "Dockerfile", text)
		list[i].File = f
	}
	return list, nil
}

// Names returns nil, because the benchmark needs no suggestions.
func (*includedFiles) Names(context.Context, string, string) []string { return nil }

// substitute is our converter for a given file, which it converts instead of the one that it
// gets.
type substitute struct {
	ours
	file *file
}

func (substitute) name() string { return "gated" }

func (s substitute) convert(ctx context.Context, _ *file) ([]*pb.Definition, error) {
	return s.ours.convert(ctx, s.file)
}

// measurePairs prints a table of the costs of each pair. A ratio is the cost of the file with the
// gate, divided by the cost of the plain file.
func measurePairs(ctx context.Context, w io.Writer, pairs []pair, count int) error {
	if len(pairs) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%-26s%11s%11s%9s%11s%11s%9s\n", "with a gate", "plain", "gated", "ratio", "plain MB", "gated MB", "ratio")
	for i := range pairs {
		p := &pairs[i]
		c := &benchCase{name: p.name, files: []file{p.plain}}
		m, err := measure(ctx, c, []converter{ours{}, substitute{file: &p.gated}}, count)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		seconds := func(i, k int) float64 { return m[i][k].time.Seconds() }
		bytes := func(i, k int) float64 { return m[i][k].bytes }
		fmt.Fprintf(w, "%-26s", p.name)
		fmt.Fprintf(w, "%11s%11s%8.2fx", round(medianOf(count, seconds, 0)), round(medianOf(count, seconds, 1)), medianRatio(count, seconds))
		fmt.Fprintf(w, "%11.3f%11.3f%8.2fx\n", medianOf(count, bytes, 0)/1e6, medianOf(count, bytes, 1)/1e6, medianRatio(count, bytes))
	}
	return nil
}

// medianOf returns the median cost of converter i over n turns.
func medianOf(n int, cost func(i, k int) float64, i int) float64 {
	return median(n, func(k int) float64 { return cost(i, k) })
}

// medianRatio returns the median over n turns of the costs of converter 1, divided by those of
// converter 0.
func medianRatio(n int, cost func(i, k int) float64) float64 {
	return median(n, func(k int) float64 { return cost(1, k) / cost(0, k) })
}
