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

// recordSolves returns a build function that behaves like the given build function, and also
// records the definitions that it solves in p.solved.
func (p *inputs) recordSolves(build gateway.BuildFunc) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		p.solved = &recorder{Client: c}
		return build(ctx, p.solved)
	}
}

// copyOf looks up the COPY or ADD that begins at the given line of the Dockerfile, and returns
// the index of the first source that the callback match accepts, or -1. The callback receives
// the LLB copy action of a source. Unlike the Dockerfile, copy actions have paths with expanded
// variables. Downloads are skipped.
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

// sourceOf returns the index of the first copy action of the file operation op that the
// callback match accepts, or -1. All copy actions count for the index, but actions that copy a
// download are not passed to match. The parameter remote contains the digests of the operations
// that download files.
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

// locatedAt reports whether an operation comes from an instruction that begins at the given
// line. The parameter data is the encoded operation, and def is the LLB definition that
// contains the operation and its location.
func locatedAt(def *pb.Definition, data []byte, line int) bool {
	for _, l := range def.GetSource().GetLocations()[digest.FromBytes(data).String()].GetLocations() {
		if r := l.GetRanges(); len(r) > 0 && int(r[0].GetStart().GetLine()) == line {
			return true
		}
	}
	return false
}

// pathWord is a word in an instruction that contains a path, such as a source of COPY.
type pathWord struct {
	from string // the stage, context or image with the path; "" means the build context
	at   source.Range
	// sources contains all sources of the COPY or ADD. The path is in the source at index. For a
	// mount, sources is nil.
	sources []parser.Word
	index   int
}

// wordOf finds the word in a COPY, ADD or RUN instruction that specifies a path. The parameter
// r is the range of the instruction, and name is the path. If the instruction has no such word,
// ok is false.
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

// sourceNamed returns the index of the first source of a COPY or ADD whose path the callback
// match accepts, or -1. The parameter c is the parsed instruction, and line is the line at
// which it begins. Paths with expanded variables are tried first, then paths as written in the
// Dockerfile.
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

// nearJSON returns the JSON syntax error in the arguments of an instruction that look like a
// JSON array but are invalid, such as ['a']. For other arguments, it returns nil. The parameter
// r is the range of the instruction.
func nearJSON(r source.Range) *parser.NearJSON {
	in := instructionAt(r)
	if in == nil {
		return nil
	}
	return in.NearJSON()
}

// badPattern returns the first source of a COPY or ADD in the file f that is a malformed
// pattern, and the range of the instruction. It considers only instructions that copy from the
// build context.
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

// mountOf finds the word in the RUN instruction c that specifies the source path of a mount.
// The parameter name is this path. If no mount has this path, but the source of exactly one
// mount contains a variable, mountOf returns the word of this mount.
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
