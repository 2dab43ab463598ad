package solver

import (
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// definition returns an LLB definition that consists of ops. If an input in ops has a
// single digit as its digest, this digit is the index of an earlier operation, and
// definition replaces it by the digest of the earlier operation.
func definition(t testing.TB, ops ...*pb.Op) *pb.Definition {
	t.Helper()
	def := &pb.Definition{}
	var digests []string
	for _, op := range ops {
		for _, in := range op.Inputs {
			if len(in.Digest) == 1 {
				in.Digest = digests[in.Digest[0]-'0']
			}
		}
		data, err := op.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		def.Def = append(def.Def, data)
		digests = append(digests, string(digest.FromBytes(data)))
	}
	return def
}

// from returns a source operation for the source with the identifier id.
func from(id string) *pb.Op {
	return &pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: id}}}
}

// result returns the operation that ends a definition: it has no effect of its own, and its
// input is the result of the definition. The parameter input is the digest of the operation
// that produces the result.
func result(input string) *pb.Op { return &pb.Op{Inputs: []*pb.Input{{Digest: input}}} }

// file returns a file operation with the given actions. The parameter input is the index of an
// earlier operation in the definition, whose output is the input of the file operation. If
// input is -1, the file operation has no input.
func file(input int64, actions ...*pb.FileAction) *pb.Op {
	op := &pb.Op{Op: &pb.Op_File{File: &pb.FileOp{Actions: actions}}}
	if input >= 0 {
		op.Inputs = []*pb.Input{{Digest: string(rune('0' + input))}}
	}
	return op
}

// mkdir returns an action that creates the directory /a. The parameters input and output are
// the indexes of the action's input and output.
func mkdir(input, output int64) *pb.FileAction {
	return &pb.FileAction{Input: input, SecondaryInput: -1, Output: output, Action: &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{Path: "/a"}}}
}

// run returns an exec operation that runs the command "x" with the given mounts.
func run(mounts ...*pb.Mount) *pb.Op {
	return &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/"}, Mounts: mounts}}}
}

// passthrough returns a passthrough operation with an ID. Its only input is the operation with
// index 0 of the definition. The parameter outputs lists the index of the input for each output.
func passthrough(id string, outputs ...int64) *pb.Op {
	return &pb.Op{
		Inputs: []*pb.Input{{Digest: "0"}},
		Op:     &pb.Op_Passthrough{Passthrough: &pb.PassthroughOp{Id: id, Outputs: outputs}},
	}
}

// TestBadDefinitions checks that Load returns an error for each kind of invalid
// definition, and an empty graph for an empty definition.
func TestBadDefinitions(t *testing.T) {
	missing := string(digest.FromString("missing"))
	root := &pb.Mount{Dest: "/", Input: -1, Output: 0}
	for _, tc := range []struct {
		about string
		def   *pb.Definition
		want  string
	}{
		{"garbage", &pb.Definition{Def: [][]byte{{0xff}}}, "operation 0 of the definition: "},
		{"no result", definition(t, from("local://x")), "the definition has no result"},
		{"an operation after the result", definition(t, from("local://x"), result("0"), from("local://y")), "the definition goes on after its result"},
		{"two results", definition(t, from("local://x"), &pb.Op{Inputs: []*pb.Input{{}, {}}}), "the result of the definition has 2 inputs instead of one"},
		{"missing input", definition(t, result(missing)), "input \"" + missing + "\" is not defined before it is used"},
		{"input of itself", definition(t, &pb.Op{Inputs: []*pb.Input{{Digest: missing}}, Op: file(-1, mkdir(0, 0)).Op}, result("0")), "mkdir /a: input"},
		{"output that does not exist", definition(t, from("local://x"), &pb.Op{Inputs: []*pb.Input{{Digest: "0", Index: 1}}}), `input "local://x" has 1 outputs, not a number 1`},
		{"no scheme", definition(t, from("x"), result("0")), `x: source "x" has no scheme`},
		{"no actions", definition(t, file(-1), result("0")), "there are no file actions"},
		{"action on nothing", definition(t, file(-1, mkdir(5, 0)), result("0")), "mkdir /a: action 0 has input 5 of 0"},
		{"empty action", definition(t, file(-1, &pb.FileAction{Input: -1, SecondaryInput: -1}), result("0")), "unknown file action"},
		{"no root", definition(t, run(), result("0")), "x: the process has no root file system"},
		{"mount of nothing", definition(t, run(root, &pb.Mount{Dest: "/m", Input: 3, Output: -1}), result("0")), "x: mount /m has input 3 of 0"},
		{"duplicate output", definition(t, run(root, &pb.Mount{Dest: "/m", Input: -1, Output: 0}), result("0")), "x: output 0 is made twice"},
		{"merge of one", definition(t, &pb.Op{Op: &pb.Op_Merge{Merge: &pb.MergeOp{}}}, result("0")), "merge: merges less than two trees"},
		{"diff of an input that does not exist", definition(t, &pb.Op{Op: &pb.Op_Diff{Diff: &pb.DiffOp{Lower: &pb.LowerDiffInput{Input: 2}, Upper: &pb.UpperDiffInput{Input: -1}}}}, result("0")), "diff: has input 2 of 0"},
		{"passthrough without an ID", definition(t, from("local://x"), passthrough("", 0), result("1")), "passthrough : the ID is missing"},
		{"passthrough without outputs", definition(t, from("local://x"), passthrough("p"), result("1")), "passthrough p: there are no outputs"},
		{"passthrough of an input that does not exist", definition(t, from("local://x"), passthrough("p", 0, 1), result("1")), "passthrough p: output 1 is input 1 of 1"},
	} {
		_, err := Load(tc.def)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", tc.about, err, tc.want)
		}
	}
	if g, err := Load(nil); err != nil || g.Root.Vertex != nil {
		t.Errorf("the empty definition: got %v, %v, want an empty graph", g, err)
	}
}

// FuzzLoad checks that Load does not panic on arbitrary bytes, and that each vertex of the
// graph comes after its inputs.
func FuzzLoad(f *testing.F) {
	st := llb.Image("busybox").Run(llb.Shlex("x"), llb.AddMount("/m", llb.Local("c"))).Root().
		File(llb.Copy(llb.Git("https://example.com/x.git", "y"), "/*", "/z", &llb.CopyInfo{AllowWildcard: true}))
	def, err := llb.Merge([]llb.State{st, llb.Diff(llb.Scratch(), st)}).Marshal(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	data, err := def.ToPB().MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		var def pb.Definition
		if def.UnmarshalVT(data) != nil {
			return
		}
		g, err := Load(&def)
		if err != nil {
			return
		}
		seen := map[*Vertex]bool{}
		for _, v := range g.Vertices {
			for _, in := range v.Inputs {
				if !seen[in.Vertex] {
					t.Errorf("%s comes before its input", v.Name())
				}
			}
			seen[v] = true
		}
	})
}

// TestNilLocations checks that Load does not panic on locations with nil fields, which a
// client can send.
func TestNilLocations(t *testing.T) {
	def := definition(t, from("local://x"), result("0"))
	at := string(digest.FromBytes(def.Def[0]))
	def.Source = &pb.Source{Infos: []*pb.SourceInfo{nil}, Locations: map[string]*pb.Locations{at: {Locations: []*pb.Location{nil, {Ranges: []*pb.Range{nil}}}}}}
	g, err := Load(def)
	if err != nil || len(g.Vertices[0].Locations) != 2 {
		t.Errorf("got %+v, %v, want a vertex with two locations", g, err)
	}
	def.Source = &pb.Source{Locations: map[string]*pb.Locations{at: {Locations: []*pb.Location{nil}}}}
	if _, err := Load(def); err == nil || !strings.Contains(err.Error(), "its location is in file 0 of 0") {
		t.Errorf("a location in no file: error %v, want one about the file", err)
	}
	def.Source.Locations[at] = nil
	if _, err := Load(def); err != nil {
		t.Errorf("no locations: %v", err)
	}
}
