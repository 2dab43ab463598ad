package solver

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/testtree"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// definitionSource implements [Sources]. Every source is the same tree, whose files are
// definitions.
type definitionSource struct{ tree *tree.Node }

func (s definitionSource) Open(_ context.Context, op *pb.SourceOp, _ *pb.Platform) (Source, error) {
	return definitionTree{digest.FromString(op.Identifier), s.tree}, nil
}

// definitionTree is a [Source] with a fixed digest and tree. Its tree contains LLB definitions
// that build operations evaluate.
type definitionTree struct {
	digest digest.Digest
	tree   *tree.Node
}

func (s definitionTree) Digest() digest.Digest { return s.digest }

func (s definitionTree) Fetch(context.Context) (*snapshot.Snapshot, error) {
	return snapshot.New(s.tree, nil), nil
}

// marshal returns a definition that consists of ops. The input of each operation is the
// preceding operation, and the result is the last one.
func marshal(t *testing.T, ops ...*pb.Op) *pb.Definition {
	t.Helper()
	return chain(t, len(ops), func(i int) *pb.Op { return ops[i] })
}

// buildFrom returns two operations: a source, and a build operation that evaluates the
// definition in a file of the source.
func buildFrom(file string) []*pb.Op {
	return []*pb.Op{
		{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: "local://definitions"}}},
		{Op: &pb.Op_Build{Build: &pb.BuildOp{
			Builder: int64(pb.LLBBuilder),
			Inputs:  map[string]*pb.BuildInput{pb.LLBDefinitionInput: {Input: 0}},
			Attrs:   map[string]string{pb.AttrLLBDefinitionFilename: file},
		}}},
	}
}

// TestNestedDefinitions checks that a build operation does not occupy a slot of the scheduler
// while the operations of its definition run. A definition that builds itself must result in
// an error.
func TestNestedDefinitions(t *testing.T) {
	for _, tc := range []struct {
		about string
		files map[string][]*pb.Op
		want  string
	}{
		{"nested", map[string][]*pb.Op{"1": buildFrom("2"), "2": buildFrom("3"), "3": {mkdirs(func(int) string { return "/made" })(0)}}, ""},
		{"itself", map[string][]*pb.Op{"1": buildFrom("1")}, "the definition has the operation in it that builds it"},
		{"each other", map[string][]*pb.Op{"1": buildFrom("2"), "2": buildFrom("1")}, "the definition has the operation in it that builds it"},
	} {
		t.Run(tc.about, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			store, err := tree.OpenStore(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			var entries []tree.Entry
			for name, ops := range tc.files {
				data, err := marshal(t, ops...).MarshalVT()
				if err != nil {
					t.Fatal(err)
				}
				blob, err := store.PutBytes(data)
				if err != nil {
					t.Fatal(err)
				}
				entries = append(entries, tree.Entry{Name: name, Node: tree.NewFile(tree.Meta{Mode: 0o644}, blob)})
			}
			dir, err := tree.NewDir(tree.Meta{Mode: 0o755}, entries)
			if err != nil {
				t.Fatal(err)
			}
			b := New(ctx, Options{
				Store: store, Cache: NewMemoryCache(), Sources: definitionSource{dir}, Runner: noopRunner{},
				Now: func() time.Time { return time.Unix(0, 0) },
			})
			defer func() {
				cancel()
				b.Wait()
			}()
			g, err := Load(marshal(t, buildFrom("1")...))
			if err != nil {
				t.Fatal(err)
			}
			s, err := b.Result(g).Snapshot(ctx)
			switch {
			case tc.want != "":
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v, want %s", err, tc.want)
				}
			case err != nil:
				t.Error(err)
			case testtree.Must(testtree.Of(s).Get("made")) == nil:
				t.Error("the inner definition was not built")
			}
		})
	}
}
