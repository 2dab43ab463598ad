package server

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/pkg/filters"
	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/util/gitutil"
	"github.com/tonistiigi/go-csvvalue"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// listener receives the events of a history. Events are queued until the client has received
// them.
type listener struct {
	mu     sync.Mutex
	queue  []*controlapi.BuildHistoryEvent
	queued chan struct{} // has an element if the queue is not empty
}

func (l *listener) add(e *controlapi.BuildHistoryEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, e)
	select {
	case l.queued <- struct{}{}:
	default:
	}
}

// take returns the queued events and empties the queue.
func (l *listener) take() []*controlapi.BuildHistoryEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.queue
	l.queue = nil
	return list
}

// announce sends an event to all listeners. The caller must hold h.mu.
func (h *history) announce(kind controlapi.BuildHistoryEventType, r *controlapi.BuildHistoryRecord) {
	for l := range h.listeners {
		l.add(&controlapi.BuildHistoryEvent{Type: kind, Record: r})
	}
}

// listen returns the events that a client requests: the events of running builds and, unless the
// client requests only these, the events of ended builds. It also registers a listener for later
// events, until the caller calls release.
func (h *history) listen(req *controlapi.BuildHistoryRequest) (events []*controlapi.BuildHistoryEvent, l *listener, release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l = &listener{queued: make(chan struct{}, 1)}
	h.listeners[l] = true
	collect := func(kind controlapi.BuildHistoryEventType, from map[string]*controlapi.BuildHistoryRecord) {
		first := len(events)
		for _, r := range from {
			if req.Ref == "" || r.Ref == req.Ref {
				events = append(events, &controlapi.BuildHistoryEvent{Type: kind, Record: r})
			}
		}
		slices.SortFunc(events[first:], func(a, b *controlapi.BuildHistoryEvent) int {
			return cmp.Or(a.Record.CreatedAt.AsTime().Compare(b.Record.CreatedAt.AsTime()), cmp.Compare(a.Record.Ref, b.Record.Ref))
		})
	}
	collect(controlapi.BuildHistoryEventType_STARTED, h.active)
	if !req.ActiveOnly {
		collect(controlapi.BuildHistoryEventType_COMPLETE, h.records)
	}
	return events, l, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.listeners, l)
	}
}

// ListenBuildHistory implements [controlapi.ControlServer].
func (s *Server) ListenBuildHistory(req *controlapi.BuildHistoryRequest, stream controlapi.Control_ListenBuildHistoryServer) error {
	matches, err := historyFilter(req.Filter, s.history.now())
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "filter of the history: %v", err)
	}
	if req.Limit < 0 {
		return status.Errorf(codes.InvalidArgument, "limit of the history: %d is negative", req.Limit)
	}
	events, l, release := s.history.listen(req)
	defer release()
	for _, e := range limited(events, matches, int(req.Limit)) {
		if err := stream.Send(e); err != nil {
			return err
		}
	}
	if req.EarlyExit {
		return nil
	}
	return follow(stream.Context(), l, func(e *controlapi.BuildHistoryEvent) error {
		if req.Ref != "" && req.Ref != e.Record.Ref {
			return nil
		}
		return stream.Send(e)
	})
}

// follow calls send with the events of a listener until ctx ends.
func follow(ctx context.Context, l *listener, send func(*controlapi.BuildHistoryEvent) error) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.queued:
		}
		for _, e := range l.take() {
			if err := send(e); err != nil {
				return err
			}
		}
	}
}

// limited returns the events of all running builds, and the events of ended builds that match
// the filter. If limit is not 0, it returns at most limit events of ended builds, the newest
// first.
func limited(events []*controlapi.BuildHistoryEvent, matches func(*controlapi.BuildHistoryRecord) bool, limit int) []*controlapi.BuildHistoryEvent {
	var active, ended []*controlapi.BuildHistoryEvent
	for _, e := range events {
		switch {
		case e.Type == controlapi.BuildHistoryEventType_STARTED:
			active = append(active, e)
		case matches(e.Record):
			ended = append(ended, e)
		}
	}
	if limit > 0 {
		slices.Reverse(ended) // newest first
		ended = ended[:min(limit, len(ended))]
	}
	return append(active, ended...)
}

// historyFilter parses the filters of a request for the history. Each filter is a list of
// conditions, separated by commas, that must all be true. A record must match at least one
// filter. Without filters, all records match.
func historyFilter(list []string, now time.Time) (func(*controlapi.BuildHistoryRecord) bool, error) {
	var any []func(*controlapi.BuildHistoryRecord) bool
	for _, text := range list {
		f, err := historyConditions(text, now)
		if err != nil {
			return nil, err
		}
		any = append(any, f)
	}
	return func(r *controlapi.BuildHistoryRecord) bool {
		return len(any) == 0 || slices.ContainsFunc(any, func(f func(*controlapi.BuildHistoryRecord) bool) bool { return f(r) })
	}, nil
}

// historyConditions parses one filter of a request for the history.
func historyConditions(text string, now time.Time) (func(*controlapi.BuildHistoryRecord) bool, error) {
	fields, err := csvvalue.Fields(text, nil)
	if err != nil {
		return nil, err
	}
	var times []func(*controlapi.BuildHistoryRecord) bool
	var static []string
	for _, field := range fields {
		f, err := timeCondition(field, now)
		switch {
		case err != nil:
			return nil, err
		case f == nil:
			static = append(static, field)
		default:
			times = append(times, f)
		}
	}
	filter, err := filters.ParseAll(strings.Join(static, ","))
	if err != nil {
		return nil, err
	}
	return func(r *controlapi.BuildHistoryRecord) bool {
		failed := slices.ContainsFunc(times, func(f func(*controlapi.BuildHistoryRecord) bool) bool { return !f(r) })
		return !failed && filter.Match(filters.AdapterFunc(func(path []string) (string, bool) { return recordField(r, path) }))
	}, nil
}

// timeCondition parses a condition about a time, such as startedAt>1h or duration<=10s. A duration
// that follows startedAt or completedAt means the time before now. For other conditions,
// timeCondition returns nil.
func timeCondition(text string, now time.Time) (func(*controlapi.BuildHistoryRecord) bool, error) {
	i := strings.IndexAny(text, "<>")
	if i < 0 {
		return nil, nil
	}
	key, op := text[:i], text[i:i+1]
	value, orEqual := strings.CutPrefix(text[i+1:], "=")
	length, lengthErr := time.ParseDuration(value)
	want := int64(length)
	switch key {
	case "startedAt", "completedAt":
		at := now.Add(-length)
		if lengthErr != nil {
			if at, lengthErr = time.Parse(time.RFC3339, value); lengthErr != nil {
				return nil, lengthErr
			}
		}
		want = at.Unix()
	case "duration":
		if lengthErr != nil {
			return nil, lengthErr
		}
	default:
		return nil, nil
	}
	return func(r *controlapi.BuildHistoryRecord) bool {
		got := recordTime(r, key)
		return got == want && orEqual || got < want && op == "<" || got > want && op == ">"
	}, nil
}

// recordTime returns the value of the field key in a record: a time in seconds since 1970, or
// the duration of the build in nanoseconds. For a running build, the time of completion and the
// duration are 0.
func recordTime(r *controlapi.BuildHistoryRecord, key string) int64 {
	switch {
	case key == "startedAt":
		return r.CreatedAt.AsTime().Unix()
	case r.CompletedAt == nil:
		return 0
	case key == "completedAt":
		return r.CompletedAt.AsTime().Unix()
	}
	return int64(r.CompletedAt.AsTime().Sub(r.CreatedAt.AsTime()))
}

// recordField returns a field of a record for filters, and reports whether the record has it.
func recordField(r *controlapi.BuildHistoryRecord, path []string) (string, bool) {
	switch strings.Join(path, ".") {
	case "ref":
		return r.Ref, true
	case "status":
		switch {
		case r.CompletedAt == nil:
			return "running", true
		case r.Error == nil:
			return "completed", true
		case strings.Contains(r.Error.Message, "context canceled"):
			return "canceled", true
		}
		return "error", true
	case "repository":
		if v, ok := r.FrontendAttrs["vcs:source"]; ok {
			return v, true
		}
		if u, err := gitutil.ParseURL(r.FrontendAttrs["context"]); err == nil {
			return u.Remote, true
		}
	}
	return "", false
}

// UpdateBuildHistory implements [controlapi.ControlServer].
func (s *Server) UpdateBuildHistory(_ context.Context, req *controlapi.UpdateBuildHistoryRequest) (*controlapi.UpdateBuildHistoryResponse, error) {
	return &controlapi.UpdateBuildHistoryResponse{}, s.history.update(req)
}
