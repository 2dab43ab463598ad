package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	slsa1 "github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/v1"
	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/util/grpcerrors"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Media types of the blobs of a record, as in BuildKit.
const (
	errorMediaType      = "application/vnd.googleapis.google.rpc.status+proto"
	traceMediaType      = "application/vnd.buildkit.otlp.json.v0"
	provenanceMediaType = "application/vnd.in-toto+json"
)

// finished returns the record of a build that has ended, and stores the blobs of the record. If a
// blob cannot be stored, finished returns the record without it, and an error. The parameters resp
// and failed are the results of the build.
func (s *Server) finished(ctx context.Context, b *build, resp *controlapi.SolveResponse, failed error) (*controlapi.BuildHistoryRecord, error) {
	w := recordWriter{history: s.history, record: b.record.CloneVT()}
	r := w.record
	r.CompletedAt, r.Generation = timestamppb.New(s.history.now()), 1
	r.NumTotalSteps, r.NumCompletedSteps, r.NumCachedSteps = b.status.steps.counts()
	r.NumWarnings = int32(b.status.steps.warnings)
	r.ExporterResponse, r.Result = resp.GetExporterResponse(), b.images
	w.addProvenance(b.provenance)
	if failed != nil {
		w.addError(ctx, failed)
	}
	data, err := traceOf(ctx, r, b.status.steps.sorted())
	r.Trace = w.blob(traceMediaType, data, err)
	return r, errors.Join(w.failures...)
}

// recordWriter writes the blobs of a record.
type recordWriter struct {
	history  *history
	record   *controlapi.BuildHistoryRecord
	failures []error // errors of blobs that are not stored
}

// blob stores a blob and returns its descriptor. If err is not nil or the blob cannot be stored,
// blob adds the error to w.failures and returns nil.
func (w *recordWriter) blob(mediaType string, data []byte, err error) (d *controlapi.Descriptor) {
	if err == nil {
		d, err = w.history.addBlob(w.record.Ref, mediaType, data)
	}
	if err != nil {
		w.failures = append(w.failures, fmt.Errorf("history of builds: %w", err))
		return nil
	}
	return d
}

// addError adds the error of the build. Its details, such as the location in the Dockerfile, are
// only in the blob.
func (w *recordWriter) addError(ctx context.Context, failed error) {
	st, _ := status.FromError(grpcerrors.ToGRPC(ctx, failed))
	w.record.Error = &rpcstatus.Status{Code: int32(st.Code()), Message: st.Message()}
	data, err := proto.Marshal(st.Proto())
	w.record.ExternalError = w.blob(errorMediaType, data, err)
}

// addProvenance adds the provenance of the results, by platform. The key of a result that is not
// in a map is "".
func (w *recordWriter) addProvenance(byPlatform map[string][]byte) {
	for _, p := range slices.Sorted(maps.Keys(byPlatform)) {
		d := w.blob(provenanceMediaType, byPlatform[p], nil)
		if d == nil {
			continue
		}
		d.Annotations = map[string]string{"in-toto.io/predicate-type": slsa1.PredicateSLSAProvenance}
		if p == "" {
			w.record.Result.Attestations = []*controlapi.Descriptor{d}
			continue
		}
		if w.record.Results == nil {
			w.record.Results = map[string]*controlapi.BuildResultInfo{}
		}
		w.record.Results[p] = &controlapi.BuildResultInfo{Attestations: []*controlapi.Descriptor{d}}
	}
}
