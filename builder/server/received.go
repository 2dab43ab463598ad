package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/gofrs/flock"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/patternmatcher"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"slipway/internal/regularfile"
	"slipway/solver/llbsource"
	"slipway/solver/track"
)

// receivedDirs holds the local sources that clients have sent, so that a client sends only changed
// files again. Each user has directories of its own. Otherwise a client could claim to have the
// file of another client, with the same size and time, and would not have to send it. Safe for
// concurrent use, also by several processes.
//
//	KEY-NUMBER/
//		lock   locked while a build uses the directory
//		owner  the process that used it last
//		data   the files
type receivedDirs struct {
	dir     string
	process string // identifies this process in the file owner
	max     int    // number of files in the readings that are kept

	mu   sync.Mutex
	kept []keptFiles // directories that this process has received, the latest last
}

// keptFiles describes the files of a directory after a transfer.
type keptFiles struct {
	dir     string
	listing listing // of the files
	reading *llbsource.Reading
}

// maxKept is the default for the number of files in the readings that a server keeps. They take up
// to about 100 MB.
const maxKept = 200_000

func newReceivedDirs(dir string) *receivedDirs {
	return &receivedDirs{dir: dir, process: rand.Text(), max: maxKept}
}

// take returns and removes what keep has stored about a directory. If another process has used the
// directory since, it returns the zero value. The caller must hold the directory.
func (r *receivedDirs) take(data string) (keptFiles, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var k keptFiles
	if i := slices.IndexFunc(r.kept, func(k keptFiles) bool { return k.dir == data }); i >= 0 {
		k = r.kept[i]
		r.kept = slices.Delete(r.kept, i, i+1)
	}
	owner := filepath.Join(filepath.Dir(data), "owner")
	if last, err := regularfile.Read(owner); err == nil && string(last) == r.process {
		return k, nil
	}
	return keptFiles{}, os.WriteFile(owner, []byte(r.process), 0o600)
}

// keep stores k for take. If there are too many files, it removes the directories that were stored
// first. The caller must hold the directory.
func (r *receivedDirs) keep(k keptFiles) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, k)
	files := 0
	for i := range slices.Backward(r.kept) {
		if files += r.kept[i].reading.Files(); files > r.max {
			r.kept = slices.Delete(r.kept, 0, i+1)
			return
		}
	}
}

// hold locks a directory with the given key and returns the path of its files. Builds that run
// concurrently get different directories.
func (r *receivedDirs) hold(key string) (data string, release func(), err error) {
	for i := 0; ; i++ {
		dir := filepath.Join(r.dir, fmt.Sprintf("%s-%d", key, i))
		data := filepath.Join(dir, "data")
		if err := os.MkdirAll(data, 0o700); err != nil {
			return "", nil, err
		}
		lock := flock.New(filepath.Join(dir, "lock"))
		ok, err := lock.TryLock()
		if err != nil {
			return "", nil, err
		}
		if ok {
			return data, func() { _ = lock.Unlock() }, nil
		}
	}
}

// receivedKey returns the key of the directory for a local source. The key covers the user, and
// everything by which clients distinguish sources. If the identity of the user lasts only for a
// connection, the key covers the session instead, so that no other session uses the directory.
func receivedKey(user identity, sessionID, sharedKey, name string, attrs map[string]string) string {
	owner := "user " + string(user)
	if !user.lasting() {
		owner = "session " + sessionID
	}
	data, err := json.Marshal([]string{owner, sharedKey, attrs[pb.AttrSharedKeyHint], name, attrs[pb.AttrMetadataTransfer]})
	if err != nil {
		panic(fmt.Sprintf("server: encode strings: %v", err))
	}
	return digest.FromBytes(data).Encoded()[:32]
}

// syncRequest returns the request for the files of a local source that the attributes of the
// source operation select.
func syncRequest(name string, attrs map[string]string) (filesync.FSSendRequestOpt, error) {
	opt := filesync.FSSendRequestOpt{Name: name, Filter: ownedByUs}
	var complete []string // patterns of files that are transferred with their content
	if v, ok := attrs[pb.AttrMetadataTransfer]; ok {
		var err error
		if opt.MetadataOnly, err = strconv.ParseBool(v); err != nil {
			return opt, fmt.Errorf("attribute %s: %q is neither true nor false", pb.AttrMetadataTransfer, v)
		}
	}
	if attrs[pb.AttrLocalDiffer] == pb.AttrLocalDifferNone {
		opt.Differ = fsutil.DiffNone
	}
	for key, to := range map[string]*[]string{
		pb.AttrIncludePatterns: &opt.IncludePatterns,
		pb.AttrExcludePatterns: &opt.ExcludePatterns,
		pb.AttrFollowPaths:     &opt.FollowPaths,

		pb.AttrMetadataTransferExclude: &complete,
	} {
		if v := attrs[key]; v != "" {
			if err := json.Unmarshal([]byte(v), to); err != nil {
				return opt, fmt.Errorf("attribute %s: %w", key, err)
			}
		}
	}
	if len(complete) == 0 {
		return opt, nil
	}
	matcher, err := patternmatcher.New(complete)
	if err != nil {
		return opt, fmt.Errorf("attribute %s: %w", pb.AttrMetadataTransferExclude, err)
	}
	opt.MetadataOnlyFilter = func(name string, _ *fstypes.Stat) bool {
		ok, err := matcher.MatchesOrParentMatches(name)
		return ok && err == nil
	}
	return opt, nil
}

// ownedByUs changes the owner of a received file to the user of this process, who may not be
// allowed to create files of other users. Builds ignore the owners of local files.
func ownedByUs(_ string, st *fstypes.Stat) bool {
	st.Uid, st.Gid = uint32(max(0, os.Geteuid())), uint32(max(0, os.Getegid()))
	return true
}

// syncFiles receives a local source of a client in the directory dest.
func syncFiles(ctx context.Context, c session.Caller, dest, name string, attrs map[string]string) (received, error) {
	opt, err := syncRequest(name, attrs)
	if err != nil {
		return received{}, err
	}
	t := track.Start(ctx, "transferring "+name+":", 0)
	defer t.Done()
	total := 0
	opt.DestDir, opt.ProgressCb = dest, func(n int, _ bool) {
		t.Add(int64(n - total))
		total = n
	}
	return receiveFiles(ctx, c, &opt)
}
