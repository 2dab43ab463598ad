package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// service is the name of this program in traces.
const service = "slipway"

// traceOf returns the OpenTelemetry trace of a build that has ended: a span for the build and, in
// it, one for each step that ran or was cached. The spans are JSON values, as in the history of
// BuildKit. The parameter ctx is the context of the request. If the client sent the context of its
// own span, the span of the build belongs to it.
func traceOf(ctx context.Context, r *controlapi.BuildHistoryRecord, steps []*client.Vertex) ([]byte, error) {
	parent := clientSpan(ctx)
	build := trace.SpanContextConfig{SpanID: spanID(r.Ref), TraceID: parent.TraceID(), TraceFlags: trace.FlagsSampled}
	if !parent.IsValid() {
		copy(build.TraceID[:], idBytes(r.Ref))
	}
	root := newSpan(controlapi.Control_Solve_FullMethodName[1:], build, parent, trace.SpanKindServer)
	root.StartTime, root.EndTime = r.CreatedAt.AsTime(), r.CompletedAt.AsTime()
	root.setError(r.Error.GetMessage())
	spans := []span{root}
	for _, v := range steps {
		if v.Started == nil || v.Completed == nil {
			continue
		}
		own := build
		own.SpanID = spanID(r.Ref + " " + v.Digest.String())
		s := newSpan(v.Name, own, trace.NewSpanContext(build), trace.SpanKindInternal)
		s.StartTime, s.EndTime = *v.Started, *v.Completed
		s.Attributes = []attribute.KeyValue{attribute.String("vertex", v.Digest.String()), attribute.Bool("cached", v.Cached)}
		s.setError(v.Error)
		spans = append(spans, s)
	}
	spans[0].ChildSpanCount = len(spans) - 1
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	for _, s := range spans {
		if err := enc.Encode(s); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// span is an ended span of a trace.
type span tracetest.SpanStub

func newSpan(name string, own trace.SpanContextConfig, parent trace.SpanContext, kind trace.SpanKind) span {
	return span{
		Name: name, SpanContext: trace.NewSpanContext(own), Parent: parent, SpanKind: kind,
		Resource:             resource.NewSchemaless(attribute.String("service.name", service)),
		InstrumentationScope: instrumentation.Scope{Name: service},
	}
}

// setError sets the status of the span. If message is "", the span did not fail.
func (s *span) setError(message string) {
	if message != "" {
		s.Status = sdktrace.Status{Code: otelcodes.Error, Description: message}
	}
}

// clientSpan returns the span of the client that sent a request, or an invalid span if the request
// names none.
func clientSpan(ctx context.Context) trace.SpanContext {
	carrier := propagation.MapCarrier{}
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		for _, key := range (propagation.TraceContext{}).Fields() {
			if v := md.Get(key); len(v) > 0 {
				carrier[key] = v[0]
			}
		}
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, carrier))
}

// idBytes returns bytes for an ID that follows from a text.
func idBytes(text string) []byte {
	sum := digest.SHA256.Hash()
	sum.Write([]byte(text))
	return sum.Sum(nil)
}

// spanID returns the ID of the span that a text identifies.
func spanID(text string) (id trace.SpanID) {
	copy(id[:], idBytes(text))
	return id
}

// sorted returns the steps in the order of their start.
func (s *summary) sorted() []*client.Vertex {
	list := slices.Collect(maps.Values(s.vertices))
	started := func(v *client.Vertex) time.Time {
		if v.Started == nil {
			return time.Time{}
		}
		return *v.Started
	}
	slices.SortFunc(list, func(a, b *client.Vertex) int {
		return cmp.Or(started(a).Compare(started(b)), cmp.Compare(a.Digest, b.Digest))
	})
	return list
}
