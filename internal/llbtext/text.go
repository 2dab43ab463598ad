package llbtext

import (
	"fmt"
	"strings"

	"github.com/moby/buildkit/solver/pb"
)

// Parts is a bit mask that selects parts of an LLB definition.
type Parts uint8

// Parts of an LLB definition that can be formatted and compared.
const (
	Ops       Parts = 1 << iota // operations, which determine digests and cache keys
	Metadata                    // metadata of operations: names, capabilities, progress groups and so on
	Locations                   // source locations of operations

	All = Ops | Metadata | Locations
)

// Text formats the selected parts of a definition, one field per line. It returns an error if
// an operation is not valid protobuf, if an input is missing, or if the definition has no
// result.
func Text(def *pb.Definition, parts Parts) (string, error) {
	g, err := load(def)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range g.nodes {
		b.WriteString(g.text(i, parts))
	}
	b.WriteString(g.resultText(parts))
	if parts&Locations != 0 {
		b.WriteString(g.infoText())
	}
	return b.String(), nil
}

// text formats the selected parts of operation i, one field per line.
func (g *graph) text(i int, parts Parts) string {
	n := g.nodes[i]
	p := &printer{g: g}
	if parts&Ops != 0 {
		p.message("", n.op.ProtoReflect())
	}
	if parts&Metadata != 0 && n.meta != nil {
		p.message("meta.", n.meta.ProtoReflect())
	}
	if parts&Locations != 0 {
		for _, l := range n.at {
			p.lines = append(p.lines, "at "+g.location(l))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", i, kind(n.op))
	for _, line := range p.lines {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}

// resultText formats the last operation of a definition, which references the result.
func (g *graph) resultText(parts Parts) string {
	if g.result == nil {
		return "no result\n"
	}
	p := &printer{g: g}
	if parts&Metadata != 0 && g.final.meta != nil {
		p.message("meta.", g.final.meta.ProtoReflect())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "result %d index %d\n", g.number[g.result.Digest], g.result.Index)
	for _, line := range p.lines {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}

func (g *graph) infoText() string {
	var b strings.Builder
	for i, info := range g.def.GetSource().GetInfos() {
		fmt.Fprintf(&b, "file %d = %q language %q, %d bytes, from %d operations\n",
			i, info.Filename, info.Language, len(info.Data), max(0, len(info.GetDefinition().GetDef())-1))
	}
	return b.String()
}

// location formats a location as file name and ranges. BuildKit's Dockerfile frontend uses one
// range per line, so ranges are usually line numbers.
func (g *graph) location(l *pb.Location) string {
	infos := g.def.GetSource().GetInfos()
	name := fmt.Sprintf("file %d", l.SourceIndex)
	if i := int(l.SourceIndex); i >= 0 && i < len(infos) {
		name = infos[i].Filename
	}
	return name + Ranges(l.Ranges)
}

// Ranges formats ranges of a source file, each after a space. If a range is one whole line, it
// is formatted as the line number.
func Ranges(ranges []*pb.Range) string {
	var b strings.Builder
	for _, r := range ranges {
		start, end := r.GetStart(), r.GetEnd()
		switch {
		case start.GetCharacter() != 0 || end.GetCharacter() != 0:
			fmt.Fprintf(&b, " %d:%d-%d:%d", start.GetLine(), start.GetCharacter(), end.GetLine(), end.GetCharacter())
		case start.GetLine() != end.GetLine():
			fmt.Fprintf(&b, " %d-%d", start.GetLine(), end.GetLine())
		default:
			fmt.Fprintf(&b, " %d", start.GetLine())
		}
	}
	return b.String()
}

func kind(op *pb.Op) string {
	m := op.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("op"))
	if fd == nil {
		return "nothing"
	}
	return string(fd.Name())
}
