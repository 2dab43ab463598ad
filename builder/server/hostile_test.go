package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/buildid"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	newid "github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"slipway/builder"
)

// rawCodec sends messages that are encoded already, and ignores what it receives.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)   { return v.([]byte), nil }
func (rawCodec) Unmarshal(_ []byte, _ any) error { return nil }
func (rawCodec) Name() string                    { return "proto" }

// rawCall sends encoded messages to a method, closes the stream, and waits for the end of the
// call. A method that waits for more is canceled after a short time.
func rawCall(ctx context.Context, c *grpc.ClientConn, method string, messages ...[]byte) error {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	stream, err := c.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method, grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := stream.SendMsg(m); err != nil {
			break
		}
	}
	_ = stream.CloseSend()
	for {
		var ignored []byte
		if err := stream.RecvMsg(&ignored); err != nil {
			return err
		}
	}
}

// sample returns an encoded message in which all fields are set, and fields of messages down to
// the given depth.
func sample(d protoreflect.MessageDescriptor, depth int) proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		return nil
	}
	m := kind.New()
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if f.Message() != nil && depth == 0 {
			continue
		}
		switch {
		case f.IsMap():
			if v := sampleValue(f.MapValue(), depth); v.IsValid() {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString("k").MapKey(), v)
			}
		case f.IsList():
			if v := sampleValue(f, depth); v.IsValid() {
				m.Mutable(f).List().Append(v)
			}
		default:
			if v := sampleValue(f, depth); v.IsValid() {
				m.Set(f, v)
			}
		}
	}
	return m.Interface()
}

// sampleValue returns a value of a field, or an invalid value if the field has an unknown type.
func sampleValue(f protoreflect.FieldDescriptor, depth int) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("x")
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("x"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(-1)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(-1)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(1)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(1)
	case protoreflect.MessageKind:
		if m := sample(f.Message(), depth-1); m != nil {
			return protoreflect.ValueOfMessage(m.ProtoReflect())
		}
	}
	return protoreflect.Value{}
}

// mutate returns a copy of data with a few changed bytes, or cut off.
func mutate(r *rand.Rand, data []byte) []byte {
	data = slices.Clone(data)
	for range 1 + r.IntN(4) {
		if len(data) > 0 {
			data[r.IntN(len(data))] = byte(r.IntN(256))
		}
	}
	if r.IntN(4) == 0 && len(data) > 0 {
		data = data[:r.IntN(len(data))]
	}
	return data
}

// dialRaw returns a connection to the server that ends with the test.
func (x *testServer) dialRaw(t *testing.T, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(strings.TrimPrefix(x.address, "tcp://"), grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestMalformed sends messages that are no messages, and random messages, to each method of each
// service, also in a build of which the client is the frontend. No handler panics, no goroutine
// remains, and the builds of other clients succeed.
func TestMalformed(t *testing.T) {
	s := startServer(t, builder.Options{})
	s.wantGood(t)
	before := runtime.NumGoroutine()
	conn := s.dialRaw(t, insecure.NewCredentials())
	random := rand.New(rand.NewPCG(1, 2))
	services := s.server.newGRPC(t.Context(), nil).GetServiceInfo()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			continue // the service has another name of the same messages
		}
		for _, m := range services[name].Methods {
			input := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(m.Name)).Input()
			data, err := proto.Marshal(sample(input, 4))
			if err != nil {
				t.Fatal(err)
			}
			s.malformed(t, conn, "/"+name+"/"+m.Name, random, data)
		}
	}
	_ = conn.Close()
	s.wantGood(t)
	wantGoroutines(t, "malformed messages", before)
}

// malformed calls a method with messages made of data.
func (x *testServer) malformed(t *testing.T, conn *grpc.ClientConn, method string, random *rand.Rand, data []byte) {
	t.Helper()
	call := func(ctx context.Context) {
		err := rawCall(ctx, conn, method, []byte("\xff\xff\xff\xff"))
		if c := status.Code(err); c == codes.OK || c == codes.Unavailable || c == codes.DeadlineExceeded {
			t.Errorf("%s: garbage: error %v", method, err)
		}
		for range 6 {
			if err := rawCall(ctx, conn, method, mutate(random, data), data); err == nil || strings.Contains(err.Error(), "bug in the server") {
				t.Errorf("%s: error %v", method, err)
			}
		}
	}
	if !strings.HasPrefix(method, "/"+gwpb.LLBBridge_ServiceDesc.ServiceName+"/") {
		call(t.Context())
		return
	}
	ref := newid.NewID()
	_, err := x.Build(t.Context(), client.SolveOpt{Ref: ref}, "test", func(ctx context.Context, _ gateway.Client) (*gateway.Result, error) {
		call(buildid.AppendToOutgoingContext(ctx, ref))
		return nil, errors.New("done")
	}, nil)
	if err == nil {
		t.Errorf("%s: the build succeeds", method)
	}
}

// TestBadDefinitions sends random changes of a definition to the server, as the definition of a
// build and in a request of a client that is the frontend. Each build ends, and no handler panics.
func TestBadDefinitions(t *testing.T) {
	s := startServer(t, builder.Options{})
	a := llb.Scratch().File(llb.Mkdir("/d", 0o755).Mkfile("/d/f", 0o644, []byte("x")))
	def, err := llb.Merge([]llb.State{a, llb.Diff(llb.Scratch(), a.File(llb.Rm("/d/f")))}).
		File(llb.Copy(a, "/d", "/e", &llb.CopyInfo{CreateDestPath: true})).
		Run(llb.Args([]string{"/x", "y"}), llb.AddMount("/m", a), llb.AddSecret("/s", llb.SecretOptional)).Root().Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	bad := func() *pb.Definition {
		d := def.ToPB()
		i := random.IntN(len(d.Def))
		d.Def[i] = mutate(random, d.Def[i])
		return d
	}
	solve := func(call func(ctx context.Context, d *pb.Definition) error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := call(ctx, bad()); ctx.Err() != nil || err != nil && strings.Contains(err.Error(), "bug in the server") {
			t.Errorf("error %v", err)
		}
	}
	for range 100 {
		solve(func(ctx context.Context, d *pb.Definition) error {
			_, err := s.ControlClient().Solve(ctx, &controlapi.SolveRequest{Ref: newid.NewID(), Definition: d})
			return err
		})
	}
	_, err = s.Build(t.Context(), client.SolveOpt{}, "test", func(_ context.Context, c gateway.Client) (*gateway.Result, error) {
		for range 100 {
			solve(func(ctx context.Context, d *pb.Definition) error {
				_, err := c.Solve(ctx, gateway.SolveRequest{Definition: d, Evaluate: true})
				return err
			})
		}
		return gateway.NewResult(), nil
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

// TestSameReference starts builds with the same reference concurrently. Only one of them starts,
// and its progress is complete.
func TestSameReference(t *testing.T) {
	s := startServer(t, builder.Options{})
	file := contextDir(t, map[string]string{"Dockerfile": base + "RUN echo printed\n"})
	for range 3 {
		opt := dockerfileOpt(file)
		opt.Ref, opt.FrontendAttrs["no-cache"] = newid.NewID(), ""
		errs := make(chan error)
		const clients = 6
		for range clients {
			c := connect(t, s.address)
			go func() {
				_, err := c.Solve(t.Context(), nil, opt, nil)
				errs <- err
			}()
		}
		built := 0
		for range clients {
			if err := <-errs; err == nil {
				built++
			} else if !strings.Contains(err.Error(), "exists") {
				t.Error(err)
			}
		}
		stream, err := s.ControlClient().Status(t.Context(), &controlapi.StatusRequest{Ref: opt.Ref})
		text := ""
		for err == nil {
			var m *controlapi.StatusResponse
			m, err = stream.Recv()
			for _, l := range m.GetLogs() {
				text += string(l.Msg)
			}
		}
		if built != 1 || !errors.Is(err, io.EOF) || !strings.Contains(text, "printed") {
			t.Errorf("%d builds, want 1; its progress: %q, %v", built, text, err)
		}
	}
}

// TestManyClients builds with 100 clients at a time, of which some misbehave. Each of the others
// gets its own result, and nothing remains of any.
func TestManyClients(t *testing.T) {
	s := startServer(t, builder.Options{})
	s.wantGood(t)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			c := connect(t, s.address)
			defer c.Close() //nolint:errcheck // the build has ended
			switch i % 10 {
			case 7: // vanishes
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer cancel()
				_, _ = c.Solve(ctx, nil, dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": base + "RUN while :; do cat /bin/sh; done\n"})), nil)
			case 8:
				if _, err := c.ControlClient().Solve(t.Context(), &controlapi.SolveRequest{Ref: newid.NewID(), Definition: &pb.Definition{Def: [][]byte{{0xff}}}}); err == nil {
					t.Error("an invalid definition: no error")
				}
			case 9:
				if _, err := c.Solve(t.Context(), nil, dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": base + "RUN exit 3\n"})), nil); err == nil || !strings.Contains(err.Error(), "exit code: 3") {
					t.Errorf("a step that fails: error %v", err)
				}
			default:
				var out tarOutput
				opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": fmt.Sprint("client ", i)}))
				opt.Exports = []client.ExportEntry{out.entry()}
				opt.SharedKey = fmt.Sprint(i) // as buildx: the files of several contexts may have the same size and time
				if _, err := c.Solve(t.Context(), nil, opt, nil); err != nil {
					t.Errorf("client %d: %v", i, err)
				} else if files := out.files(t); files["b.txt"] != fmt.Sprint("client ", i) || files["c.txt"] != "made\n" {
					t.Errorf("client %d got %q", i, files)
				}
			}
		})
	}
	wg.Wait()
	wantGoroutines(t, "all clients", before)
}

// TestForbiddenRequests checks what a client that is the frontend cannot do in its build: use
// references of another build, return them, or run steps with privileges that the build does not
// have. The other build succeeds.
func TestForbiddenRequests(t *testing.T) {
	s := startServer(t, builder.Options{Allow: []string{"security.insecure"}})
	gw := gwpb.NewLLBBridgeClient(s.dialRaw(t, insecure.NewCredentials()))
	def := llb.Scratch().File(llb.Mkfile("/f", 0o644, []byte("private")))
	insecureDef, err := def.Run(llb.Args([]string{"/x"}), llb.Security(pb.SecurityMode_INSECURE)).Root().Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	attack := func(ctx context.Context, theirs string) {
		for about, err := range map[string]error{
			"read":      second(gw.ReadFile(ctx, &gwpb.ReadFileRequest{Ref: theirs, FilePath: "/f"})),
			"list":      second(gw.ReadDir(ctx, &gwpb.ReadDirRequest{Ref: theirs, DirPath: "/"})),
			"evaluate":  second(gw.Evaluate(ctx, &gwpb.EvaluateRequest{Ref: theirs})),
			"container": second(gw.NewContainer(ctx, &gwpb.NewContainerRequest{ContainerID: "c", Mounts: []*pb.Mount{{Dest: "/", ResultID: theirs}}})),
			"return":    second(gw.Return(ctx, &gwpb.ReturnRequest{Result: &gwpb.Result{Result: &gwpb.Result_Ref{Ref: &gwpb.Ref{Id: theirs}}}})),
			"insecure":  second(gw.Solve(ctx, &gwpb.SolveRequest{Definition: insecureDef.ToPB(), Evaluate: true})),
		} {
			if err == nil || strings.Contains(err.Error(), "bug in the server") {
				t.Errorf("%s: error %v", about, err)
			}
		}
	}
	refA, refB := newid.NewID(), newid.NewID()
	_, err = s.Build(t.Context(), client.SolveOpt{Ref: refA}, "test", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		m, err := def.Marshal(ctx)
		if err != nil {
			return nil, err
		}
		ours, err := gw.Solve(buildid.AppendToOutgoingContext(ctx, refA), &gwpb.SolveRequest{Definition: m.ToPB(), Evaluate: true, AllowResultReturn: true, AllowResultArrayRef: true})
		if err != nil {
			return nil, err
		}
		_, err = connect(t, s.address).Build(ctx, client.SolveOpt{Ref: refB}, "test", func(ctx context.Context, _ gateway.Client) (*gateway.Result, error) {
			attack(buildid.AppendToOutgoingContext(ctx, refB), ours.GetResult().GetRef().GetId())
			return nil, errors.New("done")
		}, nil)
		if err == nil || !strings.Contains(err.Error(), "done") {
			t.Errorf("the build that attacks ends with %v", err)
		}
		return c.Solve(ctx, gateway.SolveRequest{Definition: m.ToPB(), Evaluate: true})
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }
