package builder

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

// recorder is a gateway client that records the definitions that a frontend solves. The
// paths in definitions have variables expanded, unlike the paths in the Dockerfile. Safe
// for concurrent use.
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

// recordSolves returns a build function that calls build, and records in p.solved the
// definitions that build solves.
func (p *inputs) recordSolves(build gateway.BuildFunc) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		p.solved = &recorder{Client: c}
		return build(ctx, p.solved)
	}
}

// copyOf looks up the COPY or ADD that begins at the given line of the Dockerfile. For
// each source, it calls match with the copy action in the LLB, whose paths have
// variables expanded. It returns the index of the first source for which match returns
// true, or -1. It skips downloads.
func (r *recorder) copyOf(line int, match func(*pb.FileActionCopy) bool) int {
	if r == nil {
		return -1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, def := range slices.Backward(r.defs) {
		remote := map[string]bool{}
		for _, data := range def.Def { // inputs come first
			var op pb.Op
			if op.UnmarshalVT(data) != nil {
				continue
			}
			if isURL(op.GetSource().GetIdentifier()) {
				remote[digest.FromBytes(data).String()] = true
			}
			if op.GetFile() == nil || !locatedAt(def, data, line) {
				continue
			}
			if i := sourceOf(&op, remote, match); i >= 0 {
				return i
			}
		}
	}
	return -1
}

// sourceOf calls match with the copy actions of the file operation op. It returns the
// index of the first action for which match returns true, or -1. It skips actions that
// copy a download. remote contains the digests of the operations that download files.
func sourceOf(op *pb.Op, remote map[string]bool, match func(*pb.FileActionCopy) bool) int {
	n := -1
	for _, a := range op.GetFile().Actions {
		c := a.GetCopy()
		if c == nil {
			continue
		}
		n++
		in := int(a.SecondaryInput)
		if fetched := in >= 0 && in < len(op.Inputs) && remote[op.Inputs[in].Digest]; !fetched && match(c) {
			return n
		}
	}
	return -1
}

// locatedAt reports whether an operation comes from an instruction that begins at the
// given line. data is the encoded operation, and def is the LLB definition that contains
// it and its location.
func locatedAt(def *pb.Definition, data []byte, line int) bool {
	for _, l := range def.GetSource().GetLocations()[digest.FromBytes(data).String()].GetLocations() {
		if r := l.GetRanges(); len(r) > 0 && int(r[0].GetStart().GetLine()) == line {
			return true
		}
	}
	return false
}

// pathWord is a word in an instruction that contains a path.
type pathWord struct {
	from string // the stage, context or image with the path; "" means the build context
	at   source.Range
	// sources are all sources of the COPY or ADD. The path is the one at index. For a
	// mount, sources is nil.
	sources []parser.Word
	index   int
}

// wordOf returns the word in the instruction at r, a COPY, ADD or RUN, that specifies
// the path called name. ok is false if it finds no such word.
func (p *inputs) wordOf(r source.Range, name string) (w pathWord, ok bool) {
	in := instructionAt(r)
	if in == nil {
		return w, false
	}
	cmd, _ := instructions.ParseOne(in)
	switch c := cmd.(type) {
	case *instructions.Copy:
		line, _ := r.Lines()
		i := p.sourceNamed(line, c, func(file string) bool { return file == name })
		if i < 0 { // the directory of a pattern
			i = p.sourceNamed(line, c, func(file string) bool { return strings.HasPrefix(file, name+"/") })
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

// sourceNamed looks up a source by path in c, the COPY or ADD that begins at line. It
// calls match with the path of each source, and returns the index of the first source
// for which match returns true, or -1. It tries the paths with expanded variables first,
// then the paths as written.
func (p *inputs) sourceNamed(line int, c *instructions.Copy, match func(name string) bool) int {
	i := p.solved.copyOf(line, func(a *pb.FileActionCopy) bool {
		return match(a.Src) || slices.ContainsFunc(a.RequiredPaths, match)
	})
	if i < 0 {
		i = slices.IndexFunc(c.Sources, func(s parser.Word) bool { return match(path.Clean("/" + s.Value)) })
	}
	return i
}

// instructionAt returns the instruction that begins at the first line of r, or nil if there
// is no such instruction.
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

// nearJSON returns the syntax error in the arguments of the instruction at r if they look
// like an invalid JSON array. Otherwise it returns nil.
func nearJSON(r source.Range) *parser.NearJSON {
	in := instructionAt(r)
	if in == nil {
		return nil
	}
	return in.NearJSON()
}

// badPattern finds the first COPY or ADD from the build context that has a malformed
// pattern as a source. word is this source, and in is the range of the instruction.
func (p *inputs) badPattern(f *source.File) (word parser.Word, in source.Range, ok bool) {
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
			return slices.ContainsFunc(append([]string{a.Src}, a.IncludePatterns...), func(pattern string) bool {
				_, err := path.Match(pattern, "")
				return err != nil
			})
		})
		if i >= 0 && i < len(c.Sources) {
			return c.Sources[i], in.Rng, true
		}
	}
	return word, in, false
}

// mountOf returns the source field of the RUN mount that mounts the path called name. If
// there is no such mount, but exactly one mount has a variable in its source, it returns
// the source field of that mount.
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
