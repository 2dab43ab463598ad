package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"slipway/internal/regularfile"
)

// Limits of the history, as in BuildKit: a record is removed if it is older than maxRecordAge
// and the history contains at least maxRecords newer records.
const (
	maxRecords   = 50
	maxRecordAge = 48 * time.Hour
)

// history contains the records of builds, on disk and in memory. Safe for concurrent use, but only
// one process must use a directory.
//
//	ID/
//		record  a [controlapi.BuildHistoryRecord]
//		status  the progress of the build, see [statusLog]
//		blobs/  what the record refers to, such as the error of the build, by digest
type history struct {
	dir string
	now func() time.Time

	mu        sync.Mutex
	records   map[string]*controlapi.BuildHistoryRecord // of ended builds, by reference
	active    map[string]*controlapi.BuildHistoryRecord // of running builds, by reference
	listeners map[*listener]bool
}

// openHistory reads the records in a directory. It removes directories without a valid record, as
// a killed server leaves them.
func openHistory(dir string, now func() time.Time) (*history, error) {
	h := &history{
		dir: dir, now: now, records: map[string]*controlapi.BuildHistoryRecord{}, active: map[string]*controlapi.BuildHistoryRecord{},
		listeners: map[*listener]bool{},
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		r := &controlapi.BuildHistoryRecord{}
		data, err := regularfile.Read(filepath.Join(dir, e.Name(), "record"))
		if err == nil {
			err = r.UnmarshalVT(data)
		}
		if err != nil || recordID(r.Ref) != e.Name() {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		h.records[r.Ref] = r
	}
	return h, h.trim()
}

// recordID returns the name of the directory of a build. The reference, which the client chooses,
// may not be a valid file name.
func recordID(ref string) string { return digest.FromString(ref).Encoded()[:32] }

func (h *history) path(ref, file string) string { return filepath.Join(h.dir, recordID(ref), file) }

// start creates the directory of a build, and announces its record unless the build is internal.
// It returns the path of the file for its progress.
func (h *history) start(r *controlapi.BuildHistoryRecord, internal bool) (statusFile string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.records[r.Ref]; ok {
		return "", status.Errorf(codes.AlreadyExists, "build %q exists in the history", r.Ref)
	}
	if err := os.MkdirAll(filepath.Join(h.dir, recordID(r.Ref)), 0o700); err != nil {
		return "", err
	}
	if !internal {
		h.active[r.Ref] = r
		h.announce(controlapi.BuildHistoryEventType_STARTED, r)
	}
	return h.path(r.Ref, "status"), nil
}

// end stores the record of a build that has ended.
func (h *history) end(r *controlapi.BuildHistoryRecord) error {
	h.mu.Lock()
	delete(h.active, r.Ref)
	h.records[r.Ref] = r
	err := h.write(r)
	h.announce(controlapi.BuildHistoryEventType_COMPLETE, r)
	h.mu.Unlock()
	return errors.Join(err, h.trim())
}

// cancel removes the directory of a build that gets no record.
func (h *history) cancel(r *controlapi.BuildHistoryRecord) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.active[r.Ref] == r {
		delete(h.active, r.Ref)
		h.announce(controlapi.BuildHistoryEventType_DELETED, r)
	}
	return os.RemoveAll(filepath.Join(h.dir, recordID(r.Ref)))
}

// write writes a record atomically. The caller must hold h.mu.
func (h *history) write(r *controlapi.BuildHistoryRecord) error {
	data, err := r.MarshalVT()
	if err != nil {
		return err
	}
	tmp := h.path(r.Ref, "record.new")
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, h.path(r.Ref, "record"))
}

// trim removes old records, except for records that a client has pinned.
func (h *history) trim() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []*controlapi.BuildHistoryRecord
	for _, r := range h.records {
		if !r.Pinned {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *controlapi.BuildHistoryRecord) int {
		return cmp.Or(b.CompletedAt.AsTime().Compare(a.CompletedAt.AsTime()), cmp.Compare(a.Ref, b.Ref))
	})
	var err error
	for _, r := range list[min(maxRecords, len(list)):] {
		if h.now().Sub(r.CompletedAt.AsTime()) > maxRecordAge {
			err = errors.Join(err, h.remove(r))
		}
	}
	return err
}

// remove removes the record of an ended build. The caller must hold h.mu.
func (h *history) remove(r *controlapi.BuildHistoryRecord) error {
	delete(h.records, r.Ref)
	h.announce(controlapi.BuildHistoryEventType_DELETED, r)
	return os.RemoveAll(filepath.Join(h.dir, recordID(r.Ref)))
}

// status calls send with the progress of an ended build. If the history has no such build, found
// is false.
func (h *history) status(ref string, send func(*controlapi.StatusResponse) error) (found bool, err error) {
	h.mu.Lock()
	_, found = h.records[ref]
	h.mu.Unlock()
	if !found {
		return false, nil
	}
	f, err := os.Open(h.path(ref, "status"))
	if err != nil {
		return true, fmt.Errorf("progress of the build: %w", err)
	}
	defer f.Close()
	return true, eachStatus(f, send)
}

// update changes the record of an ended build as a client requests.
func (h *history) update(req *controlapi.UpdateBuildHistoryRequest) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.records[req.Ref]
	if _, running := h.active[req.Ref]; running && !req.Delete {
		return nil // a running build is neither pinned nor finalized
	}
	switch {
	case !ok:
		return status.Errorf(codes.NotFound, "build %q: %v", req.Ref, fs.ErrNotExist)
	case req.Delete:
		return h.remove(r)
	case req.Finalize || r.Pinned == req.Pinned:
		return nil
	}
	changed := r.CloneVT()
	changed.Pinned = req.Pinned
	changed.Generation++
	if err := h.write(changed); err != nil {
		return err
	}
	h.records[req.Ref] = changed
	h.announce(controlapi.BuildHistoryEventType_COMPLETE, changed)
	return nil
}
