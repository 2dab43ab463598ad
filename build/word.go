package build

import (
	"context"
	"path"
	"slices"
	"strings"
	"sync"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// recorder is a client that keeps the definitions which a frontend solves: the
// paths in them are those of the file with variables expanded. Safe for
// concurrent use.
type recorder struct {
	gateway.Client
	mu   sync.Mutex
	defs []*pb.Definition
}

// Solve implements [gateway.Client].
func (r *recorder) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	if req.Definition != nil {
		r.mu.Lock()
		r.defs = append(r.defs, req.Definition)
		r.mu.Unlock()
	}
	return r.Client.Solve(ctx, req)
}

// record keeps the definitions of the frontend in p.
func (p *places) record(build gateway.BuildFunc) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		p.solved = &recorder{Client: c}
		return build(ctx, p.solved)
	}
}

// copyOf returns the number of the first source, with variables expanded, of the
// COPY or ADD that begins at the line for which match is true; -1 without one.
func (r *recorder) copyOf(line int, match func(*pb.FileActionCopy) bool) int {
	if r == nil {
		return -1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, def := range slices.Backward(r.defs) {
		for _, data := range def.Def {
			var op pb.Op
			if op.UnmarshalVT(data) != nil || op.GetFile() == nil || !locatedAt(def, data, line) {
				continue
			}
			i := slices.IndexFunc(op.GetFile().Actions, func(a *pb.FileAction) bool {
				return a.GetCopy() != nil && match(a.GetCopy())
			})
			if i >= 0 {
				return i
			}
		}
	}
	return -1
}

// locatedAt reports whether an operation comes from an instruction that begins
// at the line.
func locatedAt(def *pb.Definition, data []byte, line int) bool {
	for _, l := range def.GetSource().GetLocations()[digest.FromBytes(data).String()].GetLocations() {
		if r := l.GetRanges(); len(r) > 0 && int(r[0].GetStart().GetLine()) == line {
			return true
		}
	}
	return false
}

// pathWord is the word of an instruction that names a path.
type pathWord struct {
	from string // the stage, context or image that has the path; "" is the context
	at   source.Range
	// sources are the words of the COPY or ADD that name files, of which the path
	// is the one at index. Mounts have none.
	sources []parser.Word
	index   int
}

// wordOf finds the word of the instruction at r that names the path name of the
// build context, a stage or an image.
func (p *places) wordOf(r source.Range, name string) (w pathWord, ok bool) {
	in := instructionAt(r)
	if in == nil {
		return w, false
	}
	cmd, _ := instructions.ParseOne(in)
	switch c := cmd.(type) {
	case *instructions.Copy:
		line, _ := r.Lines()
		i := p.solved.copyOf(line, func(a *pb.FileActionCopy) bool {
			return a.Src == name || slices.Contains(a.RequiredPaths, name)
		})
		if i < 0 {
			i = slices.IndexFunc(c.Sources, func(s parser.Word) bool { return path.Clean("/"+s.Value) == name })
		}
		if i < 0 { // the directory of a pattern
			i = slices.IndexFunc(c.Sources, func(s parser.Word) bool { return strings.HasPrefix(path.Clean("/"+s.Value), name+"/") })
		}
		if i >= 0 && i < len(c.Sources) {
			return pathWord{from: c.From.Value, at: c.Sources[i].Text.Range(), sources: c.Sources, index: i}, true
		}
	case *instructions.Run:
		return mountOf(c, name)
	default: // has no paths of the build
	}
	return w, false
}

// instructionAt returns the instruction that begins at the first line of r; nil
// without one.
func instructionAt(r source.Range) *parser.Instruction {
	if r.IsZero() {
		return nil
	}
	file, _ := parser.Parse(r.File)
	if file == nil {
		return nil
	}
	list := file.Instructions()
	first, _ := r.Lines()
	i := slices.IndexFunc(list, func(in *parser.Instruction) bool { return in.Rng.Position().Line == first })
	if i < 0 {
		return nil
	}
	return list[i]
}

// nearJSON returns what keeps the arguments of the instruction at r from being
// the JSON array that they look like; nil if they do not.
func nearJSON(r source.Range) *parser.NearJSON {
	in := instructionAt(r)
	if in == nil {
		return nil
	}
	return in.NearJSON()
}

// badPattern finds the first source of a COPY or ADD from the build context that
// is a malformed pattern, and its instruction.
func (p *places) badPattern(f *source.File) (word parser.Word, in source.Range, ok bool) {
	file, _ := parser.Parse(f)
	if file == nil {
		return word, in, false
	}
	for _, in := range file.Instructions() {
		cmd, _ := instructions.ParseOne(in)
		c, ok := cmd.(*instructions.Copy)
		if !ok || c.From.Value != "" {
			continue
		}
		line, _ := in.Rng.Lines()
		i := p.solved.copyOf(line, func(a *pb.FileActionCopy) bool {
			_, err := path.Match(a.Src, "")
			return err != nil
		})
		if i >= 0 && i < len(c.Sources) {
			return c.Sources[i], in.Rng, true
		}
	}
	return word, in, false
}

// mountOf finds the source of a mount that is the path name. Of one mount whose
// source has variables it is taken for that.
func mountOf(c *instructions.Run, name string) (w pathWord, ok bool) {
	expanded := 0
	for _, m := range c.Mounts {
		for _, f := range m.Fields {
			if f.Key != "source" && f.Key != "src" {
				continue
			}
			if path.Clean("/"+f.Value) == name {
				return pathWord{from: m.From, at: f.Range}, true
			}
			if strings.Contains(f.Value, "$") {
				w = pathWord{from: m.From, at: f.Range}
				expanded++
			}
		}
	}
	return w, expanded == 1
}
