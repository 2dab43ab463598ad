package server

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/pkg/filters"
	controlapi "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"slipway/builder/state"
)

// DiskUsage implements [controlapi.ControlServer].
func (s *Server) DiskUsage(ctx context.Context, req *controlapi.DiskUsageRequest) (*controlapi.DiskUsageResponse, error) {
	matches, err := usageFilter(req.Filter)
	if err != nil {
		return nil, err
	}
	entries, err := state.Entries(ctx, s.opt.Build.State, s.history.now)
	if err != nil {
		return nil, err
	}
	resp := &controlapi.DiskUsageResponse{}
	for i := range entries {
		e := &entries[i]
		if matches(e) && (req.AgeLimit == 0 || s.history.now().Sub(e.Used) >= time.Duration(req.AgeLimit)) {
			resp.Record = append(resp.Record, usageRecord(e))
		}
	}
	return resp, nil
}

// pruneWait is how long a prune waits for the end of running builds. A client that prunes from
// within its own build would otherwise wait forever.
const pruneWait = 2 * time.Second

// Prune implements [controlapi.ControlServer]. It waits until no build is running, for pruneWait
// at most. After that, it keeps what running builds have used.
func (s *Server) Prune(req *controlapi.PruneRequest, stream controlapi.Control_PruneServer) error {
	matches, err := usageFilter(req.Filter)
	if err != nil {
		return err
	}
	removed, err := state.Prune(stream.Context(), s.opt.Build.State, s.history.now, state.PruneOptions{
		KeepBytes: req.ReservedSpace, MaxUsedBytes: req.MaxUsedSpace, MinFreeBytes: req.MinFreeSpace,
		Unused: time.Duration(req.KeepDuration), Wait: pruneWait,
		// Upstream: without All, internal data remains, but cache mounts are removed.
		Select: func(e *state.Entry) bool { return (req.All || e.Kind != state.KindInternal) && matches(e) },
	})
	for i := range removed {
		if err := stream.Send(usageRecord(&removed[i])); err != nil {
			return err
		}
	}
	return err
}

// usageRecord converts an entry of the state directory to the form that clients receive.
func usageRecord(e *state.Entry) *controlapi.UsageRecord {
	return &controlapi.UsageRecord{
		ID: e.Key, Size: e.Bytes, Description: e.Name, RecordType: recordType(e), Shared: e.Shared,
		Mutable: e.Kind == state.KindMount, UsageCount: 1,
		CreatedAt: timestamppb.New(e.Used), LastUsedAt: timestamppb.New(e.Used),
	}
}

// recordType returns BuildKit's type of an entry.
func recordType(e *state.Entry) string {
	switch e.Kind {
	case state.KindMount, state.KindInternal, "source.local":
		return e.Kind
	}
	return "regular"
}

// usageFilter parses the filters of a request for the disk usage. An entry must match at least
// one filter. Without filters, all entries match.
func usageFilter(list []string) (func(*state.Entry) bool, error) {
	f, err := filters.ParseAll(list...)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "filter: %v", err)
	}
	return func(e *state.Entry) bool {
		return f.Match(filters.AdapterFunc(func(path []string) (string, bool) { return usageField(e, path) }))
	}, nil
}

// usageField returns the field of an entry that a filter names. It returns false if the entry
// does not have the field.
func usageField(e *state.Entry, path []string) (string, bool) {
	switch strings.Join(path, ".") {
	case "id":
		return e.Key, true
	case "type":
		return recordType(e), true
	case "description":
		return e.Name, true
	case "mutable":
		return "", e.Kind == state.KindMount
	case "immutable":
		return "", e.Kind != state.KindMount
	case "shared":
		return strconv.FormatBool(e.Shared), e.Shared
	case "private":
		return "", !e.Shared
	}
	return "", false
}
