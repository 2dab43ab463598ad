package server

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	contentapi "github.com/containerd/containerd/api/services/content/v1"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/moby/buildkit/util/stack"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"slipway/builder"
)

// record returns the record of an ended build.
func (x *testServer) record(t *testing.T, ref string) *controlapi.BuildHistoryRecord {
	t.Helper()
	stream, err := x.ControlClient().ListenBuildHistory(t.Context(), &controlapi.BuildHistoryRequest{EarlyExit: true, Ref: ref})
	if err != nil {
		t.Fatal(err)
	}
	e, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return e.Record
}

// blob returns a blob of a record, which a client reads from the server.
func (x *testServer) blob(t *testing.T, d *controlapi.Descriptor) []byte {
	t.Helper()
	if d == nil {
		t.Fatal("the record has no descriptor of the blob")
	}
	store := proxy.NewContentStore(x.ContentClient())
	data, err := content.ReadBlob(t.Context(), store, ocispecs.Descriptor{MediaType: d.MediaType, Digest: digest.Digest(d.Digest), Size: d.Size})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestHistoryError reads the error of a failed build from the history: the record has its message,
// and a blob has the location in the Dockerfile and the calls in the server.
func TestHistoryError(t *testing.T) {
	s := startServer(t, builder.Options{})
	const file = "FROM scratch\nCOPY missing /x\n"
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": file}))
	opt.Ref = "failed"
	if _, err := s.Solve(t.Context(), nil, opt, nil); err == nil || len(stack.Traces(err)) < 2 {
		t.Errorf("got error %v with %d call stacks, want those of the server and of the client", err, len(stack.Traces(err)))
	}
	r := s.record(t, opt.Ref)
	if !strings.Contains(r.Error.GetMessage(), "/missing") || len(r.Error.Details) != 0 {
		t.Errorf("got the error %v, want only a message", r.Error)
	}
	st := &statuspb.Status{}
	if err := proto.Unmarshal(s.blob(t, r.ExternalError), st); err != nil {
		t.Fatal(err)
	}
	err := grpcerrors.FromGRPC(status.ErrorProto(st))
	if list := errdefs.Sources(err); len(list) != 1 || string(list[0].Info.Data) != file {
		t.Errorf("got the sources %v, want the line of COPY", list)
	}
	if _, err := s.ControlClient().UpdateBuildHistory(t.Context(), &controlapi.UpdateBuildHistoryRequest{Ref: opt.Ref, Delete: true}); err != nil {
		t.Fatal(err)
	}
	store := proxy.NewContentStore(s.ContentClient())
	if _, err := store.Info(t.Context(), digest.Digest(r.ExternalError.Digest)); err == nil {
		t.Error("the blob of a deleted record still exists")
	}
}

// TestHistoryTrace reads the provenance and the trace of a build from the history. The trace has a span for each step, below
// the span that the client sent.
func TestHistoryTrace(t *testing.T) {
	s := startServer(t, builder.Options{})
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "content\n"}))
	opt.Ref = "traced"
	const traceID, spanID = "0123456789abcdef0123456789abcdef", "0123456789abcdef"
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+traceID+"-"+spanID+"-01")
	if _, err := s.Solve(ctx, nil, opt, nil); err != nil {
		t.Fatal(err)
	}
	if r := s.record(t, opt.Ref); len(r.Result.GetAttestations()) != 1 {
		t.Errorf("got the result %v, want one with provenance", r.Result)
	} else if data := s.blob(t, r.Result.Attestations[0]); !bytes.Contains(data, []byte(`"name": "context"`)) {
		t.Errorf("got the provenance %s, want the local source in it", data)
	}
	type span struct {
		Name                string
		SpanContext, Parent struct{ TraceID, SpanID string }
		StartTime, EndTime  string
	}
	var spans []span
	for dec := json.NewDecoder(bytes.NewReader(s.blob(t, s.record(t, opt.Ref).Trace))); dec.More(); {
		var one span
		if err := dec.Decode(&one); err != nil {
			t.Fatal(err)
		}
		spans = append(spans, one)
	}
	if len(spans) == 0 || spans[0].Parent.SpanID != spanID {
		t.Fatalf("got the spans %+v, want the first one below that of the client", spans)
	}
	found := false
	for i, one := range spans {
		if one.SpanContext.TraceID != traceID || i > 0 && one.Parent.SpanID != spans[0].SpanContext.SpanID {
			t.Errorf("got the span %+v, want it in the trace of the client, below the span of the build", one)
		}
		found = found || strings.Contains(one.Name, "RUN echo made")
	}
	if !found {
		t.Errorf("got the spans %+v, want one for the RUN step", spans)
	}
}

// TestContentRange reads parts of a blob in the history.
func TestContentRange(t *testing.T) {
	h, err := openHistory(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789"), maxChunk/8)
	d, err := h.addBlob("ref", traceMediaType, data)
	if err != nil {
		t.Fatal(err)
	}
	h.records["ref"] = &controlapi.BuildHistoryRecord{Ref: "ref", Trace: d}
	for _, c := range []struct{ offset, size int64 }{{0, 0}, {5, 3}, {maxChunk - 1, 0}, {d.Size, 0}, {d.Size - 1, 10}} {
		got := &chunks{}
		if err := (historyContent{history: h}).Read(readRequest(d, c.offset, c.size), got); err != nil {
			t.Errorf("offset %d, size %d: %v", c.offset, c.size, err)
		}
		want := data[c.offset:]
		if c.size > 0 {
			want = want[:min(c.size, int64(len(want)))]
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("offset %d, size %d: got %d bytes, want %d", c.offset, c.size, got.Len(), len(want))
		}
	}
	for _, offset := range []int64{-1, d.Size + 1} {
		if err := (historyContent{history: h}).Read(readRequest(d, offset, 0), &chunks{}); err == nil {
			t.Errorf("offset %d: no error", offset)
		}
	}
}

func readRequest(d *controlapi.Descriptor, offset, size int64) *contentapi.ReadContentRequest {
	return &contentapi.ReadContentRequest{Digest: d.Digest, Offset: offset, Size: size}
}

// chunks collects the data that a server sends.
type chunks struct {
	contentapi.Content_ReadServer
	bytes.Buffer
}

func (c *chunks) Send(r *contentapi.ReadContentResponse) error {
	_, err := c.Write(r.Data)
	return err
}
