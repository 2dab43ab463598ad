package gateway_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"slipway/solver"
	"slipway/solver/gateway"
	"slipway/solver/gateway/bridge"
	"slipway/solver/llbsource"
	"slipway/solver/runner/script"
	"slipway/solver/tree"
)

// FuzzBridge checks that the bridge does not panic on two arbitrary requests of a frontend.
// The fuzzer chooses the numbers of the called methods and the encoded requests.
func FuzzBridge(f *testing.F) {
	def, err := llb.Scratch().File(llb.Mkfile("/f", 0o644, []byte("text"))).Marshal(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	encode := func(m proto.Message) []byte {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		return data
	}
	solve := encode(&gwpb.SolveRequest{Definition: def.ToPB(), AllowResultReturn: true, AllowResultArrayRef: true, Evaluate: true})
	const ref = "ref-0"
	for method, m := range []proto.Message{
		&gwpb.SolveRequest{Frontend: "gateway.v0", FrontendOpt: map[string]string{"source": "a", "frontend.caps": "x"}},
		&gwpb.ReturnRequest{Result: &gwpb.Result{Result: &gwpb.Result_Ref{Ref: &gwpb.Ref{Id: ref}}, Metadata: map[string][]byte{"k": nil}}},
		&gwpb.ReadFileRequest{Ref: ref, FilePath: "/f", Range: &gwpb.FileRange{Offset: 1, Length: 2}},
		&gwpb.ReadDirRequest{Ref: ref, DirPath: "/", IncludePattern: "*"},
		&gwpb.StatFileRequest{Ref: ref, Path: "f"},
		&gwpb.EvaluateRequest{Ref: ref},
		&gwpb.ResolveImageConfigRequest{Ref: "a", ResolverType: 1, Platform: &pb.Platform{OS: "linux"}},
		&gwpb.ResolveSourceMetaRequest{Source: &pb.SourceOp{Identifier: "docker-image://a"}, Platform: &pb.Platform{}},
		&gwpb.NewContainerRequest{ContainerID: "c", Mounts: []*pb.Mount{{Dest: "/", ResultID: ref}}},
		&gwpb.WarnRequest{Digest: "d", Ranges: []*pb.Range{{}}, Info: &pb.SourceInfo{}},
		&gwpb.ExecMessage{ProcessID: "p", Input: &gwpb.ExecMessage_Init{Init: &gwpb.InitMessage{ContainerID: "c", Meta: &pb.Meta{Args: []string{"x"}}, Fds: []uint32{0, 1}}}},
	} {
		f.Add(uint8(0), solve, uint8(method), encode(m))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, first uint8, a []byte, second uint8, b []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		store, err := tree.OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		cache := solver.NewMemoryCache()
		src := &llbsource.Sources{Store: store, Cache: cache}
		job := solver.New(ctx, solver.Options{Store: store, Cache: cache, Sources: src, Runner: script.New(store, script.Step{Run: "*"}), Now: time.Now})
		defer job.Wait()
		defer cancel()
		s := bridge.New(gateway.New(gateway.Options{Build: job, Store: store, Sources: src}), nil)
		defer s.Close(ctx)
		request(ctx, s, first, a)
		request(ctx, s, second, b)
	})
}

// request calls the method of the bridge with the given number, and ignores the response.
// The parameter data is the encoded request.
func request(ctx context.Context, s *bridge.Bridge, method uint8, data []byte) {
	switch method % 11 {
	case 0:
		call(ctx, s.Solve, &gwpb.SolveRequest{}, data)
	case 1:
		call(ctx, s.Return, &gwpb.ReturnRequest{}, data)
	case 2:
		call(ctx, s.ReadFile, &gwpb.ReadFileRequest{}, data)
		call(ctx, s.ReadFileContainer, &gwpb.ReadFileRequest{}, data)
	case 3:
		call(ctx, s.ReadDir, &gwpb.ReadDirRequest{}, data)
		call(ctx, s.ReadDirContainer, &gwpb.ReadDirRequest{}, data)
	case 4:
		call(ctx, s.StatFile, &gwpb.StatFileRequest{}, data)
		call(ctx, s.StatFileContainer, &gwpb.StatFileRequest{}, data)
	case 5:
		call(ctx, s.Evaluate, &gwpb.EvaluateRequest{}, data)
	case 6:
		call(ctx, s.ResolveImageConfig, &gwpb.ResolveImageConfigRequest{}, data)
	case 7:
		call(ctx, s.ResolveSourceMeta, &gwpb.ResolveSourceMetaRequest{}, data)
	case 8:
		call(ctx, s.NewContainer, &gwpb.NewContainerRequest{}, data)
	case 9:
		call(ctx, s.Warn, &gwpb.WarnRequest{}, data)
	case 10:
		var m gwpb.ExecMessage
		if proto.Unmarshal(data, &m) == nil {
			_ = s.ExecProcess(&execMessages{ctx: ctx, list: []*gwpb.ExecMessage{&m, &m}})
		}
	}
}

// call decodes a request and calls a method with this request. If data is not a valid
// encoding, it does nothing.
func call[Request proto.Message, Response any](ctx context.Context, method func(context.Context, Request) (Response, error), req Request, data []byte) {
	if proto.Unmarshal(data, req) == nil {
		_, _ = method(ctx, req)
	}
}

// execMessages is a gRPC stream on which a frontend sends a list of messages and then ends
// the stream.
type execMessages struct {
	grpc.ServerStream
	ctx  context.Context //nolint:containedctx // a stream has one
	list []*gwpb.ExecMessage
}

// Context implements [grpc.ServerStream].
func (s *execMessages) Context() context.Context { return s.ctx }

// Send implements [gwpb.LLBBridge_ExecProcessServer].
func (s *execMessages) Send(*gwpb.ExecMessage) error { return nil }

// Recv implements [gwpb.LLBBridge_ExecProcessServer].
func (s *execMessages) Recv() (*gwpb.ExecMessage, error) {
	if len(s.list) == 0 {
		return nil, io.EOF
	}
	m := s.list[0]
	s.list = s.list[1:]
	return m, nil
}
