package llbsource

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	gofs "io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// localSource is a local directory whose files have been read into the store.
type localSource struct{ root *tree.Node }

// Digest implements [solver.Source]. It covers all metadata that copies preserve,
// including times and hard links. The root's modification time is excluded, because it is
// the time of this build and would prevent every cache hit.
func (l *localSource) Digest() digest.Digest {
	m := l.root.Meta()
	m.ModTime = time.Unix(0, 0).UTC()
	return l.root.WithMeta(m).ID()
}

// Fetch implements [solver.Source].
func (l *localSource) Fetch(context.Context) (*snapshot.Snapshot, error) {
	return snapshot.New(nil, nil).With(l.root), nil
}

// local reads the selected files of the named local source. The owner of all files becomes
// root, as in BuildKit.
func (s *Sources) local(ctx context.Context, name string, attrs map[string]string) (solver.Source, error) {
	if s.Client != nil {
		return s.fromClient(ctx, name, attrs)
	}
	if n, ok := s.Trees[name]; ok {
		return &localSource{n}, nil
	}
	dir, ok := s.Dirs[name]
	if !ok {
		return nil, fmt.Errorf("the build has no directory %q", name)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return s.readDir(ctx, name, dir, attrs)
}

// fromClient receives the selected files of the client's local source called name.
func (s *Sources) fromClient(ctx context.Context, name string, attrs map[string]string) (src solver.Source, err error) {
	index := s.Files
	if attrs[pb.AttrLocalDiffer] == pb.AttrLocalDifferNone {
		index = nil // the client sends all files again each time
	}
	err = s.Client.Local(ctx, name, attrs, func(dir string, earlier *Reading) (*Reading, error) {
		r, err := s.reread(ctx, name, dir, index, earlier)
		if err == nil {
			src = s.newLocal(r.root)
		}
		return r, err
	})
	return src, err
}

// newLocal returns a local source with the given files.
func (s *Sources) newLocal(root *tree.Node) *localSource {
	m := root.Meta()
	if s.Now != nil {
		m.ModTime = s.Now().UTC()
	}
	return &localSource{root.WithMeta(m)}
}

// readDir reads the files of a directory that the attributes of the source operation select.
// The parameter name is the name of the local source.
func (s *Sources) readDir(ctx context.Context, name, dir string, attrs map[string]string) (solver.Source, error) {
	r, err := s.read(ctx, name, dir, attrs, s.Files)
	if err != nil {
		return nil, err
	}
	return s.newLocal(r.e.Tree()), nil
}

// read reads the files of a directory, except those that the index lists.
func (s *Sources) read(ctx context.Context, name, dir string, attrs map[string]string, index *Index) (*localReader, error) {
	files, err := filtered(dir, attrs)
	if err != nil {
		return nil, err
	}
	t := track.Start(ctx, "transferring "+name+":", 0)
	defer t.Done()
	defer index.release()
	r := &localReader{
		ctx: ctx, s: s, name: name, transfer: t, dir: dir, files: files, index: index, indexed: index != nil,
		e: tree.Edit(nil), links: map[string]*tree.Node{},
	}
	if err := r.walk(ctx); err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	return r, nil
}

// filtered returns those files of a directory that match the operation's attributes: include
// patterns, exclude patterns and followed paths.
func filtered(dir string, attrs map[string]string) (fsutil.FS, error) {
	files, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, err
	}
	var opt fsutil.FilterOpt
	for key, to := range map[string]*[]string{
		pb.AttrIncludePatterns: &opt.IncludePatterns,
		pb.AttrExcludePatterns: &opt.ExcludePatterns,
		pb.AttrFollowPaths:     &opt.FollowPaths,
	} {
		if v := attrs[key]; v != "" {
			if err := json.Unmarshal([]byte(v), to); err != nil {
				return nil, fmt.Errorf("attribute %s: %w", key, err)
			}
		}
	}
	return fsutil.NewFilterFS(files, &opt)
}

type localReader struct {
	ctx  context.Context
	s    *Sources
	name string // name of the source
	// transfer reports the number of bytes read from files as progress.
	transfer *track.Tracker
	dir      string
	files    fsutil.FS
	index    *Index
	indexed  bool // whether the index has an entry for each file
	count    int  // of files
	e        *tree.Editor
	links    map[string]*tree.Node // regular files by path, as targets of hard links
}

// localFile describes a file that [localReader.walk] has found.
type localFile struct {
	name string // path below the directory
	st   *types.Stat
}

// walk adds all files of the directory to the tree. Meanwhile, another goroutine finds the
// next files. If adding a file and finding a later file both fail, walk returns the error
// from adding.
func (r *localReader) walk(ctx context.Context) error {
	const ahead = 512 // files
	found, stop := make(chan localFile, ahead), make(chan struct{})
	var failed error
	go func() {
		defer close(found)
		failed = r.files.Walk(ctx, "", func(name string, d gofs.DirEntry, err error) error {
			f, err := newLocalFile(name, d, err)
			if err != nil {
				return err
			}
			select {
			case found <- f:
				return nil
			case <-stop:
				return gofs.SkipAll
			}
		})
	}()
	var err error
	for f := range found {
		if err == nil {
			if err = r.visit(f); err != nil {
				close(stop)
			}
		}
	}
	return cmp.Or(err, failed)
}

// newLocalFile returns a localFile for the file d. The parameters are the arguments of a
// [gofs.WalkDirFunc].
func newLocalFile(name string, d gofs.DirEntry, err error) (localFile, error) {
	if err != nil {
		return localFile{}, err
	}
	info, err := d.Info()
	if err != nil {
		return localFile{}, err
	}
	st, ok := info.Sys().(*types.Stat)
	if !ok {
		return localFile{}, fmt.Errorf("%s: unexpected type %T", name, info.Sys())
	}
	return localFile{filepath.ToSlash(name), st}, nil
}

// visit adds the file f to the tree.
func (r *localReader) visit(f localFile) error {
	name, st := f.name, f.st
	r.count++
	m := metaOf(st)
	switch mode := os.FileMode(st.Mode); {
	case mode.IsDir():
		_, err := r.e.MkdirAll(name, m)
		return errors.Join(err, r.e.SetMeta(name, m))
	case mode.IsRegular() && st.Linkname != "":
		return r.link(name, filepath.ToSlash(st.Linkname))
	case mode.IsRegular():
		b, err := r.blob(name)
		if err != nil {
			return err
		}
		n := tree.NewFile(m, b)
		r.links[name] = n
		return r.e.Put(name, n)
	case mode&os.ModeSymlink != 0:
		return r.e.Put(name, tree.NewSymlink(m, st.Linkname))
	case mode&os.ModeNamedPipe != 0:
		return r.e.Put(name, tree.NewDevice(tree.Fifo, m, tree.Device{}))
	case mode&os.ModeCharDevice != 0:
		if n := tree.NewDevice(tree.CharDevice, m, device(st)); !n.IsWhiteout() {
			return r.e.Put(name, n)
		}
		return nil
	case mode&os.ModeDevice != 0:
		return r.e.Put(name, tree.NewDevice(tree.BlockDevice, m, device(st)))
	}
	return nil // a socket
}

// metaOf returns the metadata that a file from a local source has in the build. The parameter
// st describes the file on the host.
//
// Upstream: files lose their capabilities, but directories keep theirs. BuildKit sets the
// owner of a received file after its xattrs, and chown(2) makes the kernel remove
// security.capability from everything but directories.
func metaOf(st *types.Stat) tree.Meta {
	mode := os.FileMode(st.Mode)
	m := tree.Meta{Mode: tree.UnixMode(mode), ModTime: time.Unix(0, st.ModTime).UTC()}
	for _, key := range slices.Sorted(maps.Keys(st.Xattrs)) {
		if key != tree.Capability || mode.IsDir() {
			m.Xattrs = append(m.Xattrs, tree.Xattr{Name: key, Value: string(st.Xattrs[key])})
		}
	}
	return m
}

func device(st *types.Stat) tree.Device {
	return tree.Device{Major: uint32(st.Devmajor), Minor: uint32(st.Devminor)}
}

func (r *localReader) link(name, first string) error {
	n, ok := r.links[first]
	if !ok {
		return fmt.Errorf("%s: is a link of %s, which is left out", name, first)
	}
	if n.Inode() == "" {
		n = n.WithInode(tree.NewInode(r.name, first))
		r.links[first] = n
		if err := r.e.Put(first, n); err != nil {
			return err
		}
	}
	return r.e.Put(name, n)
}

// blob returns the content of a local file as a blob in the store. It reads the file only
// if the index does not list the file, or if the file has changed.
func (r *localReader) blob(name string) (tree.Blob, error) {
	file := filepath.Join(r.dir, filepath.FromSlash(name))
	info, err := os.Lstat(file)
	if err != nil {
		return tree.Blob{}, err
	}
	if info.Mode()&os.ModeSocket != 0 {
		r.indexed = false
		return r.s.Store.PutBytes(nil) // the walk reports a socket as a file
	}
	if b, ok := r.index.lookup(file, info); ok {
		return b, nil
	}
	stable := r.index.isStable(info)
	f, err := r.files.Open(name)
	if err != nil {
		return tree.Blob{}, err
	}
	b, err := r.s.Store.Put(tree.Reader(r.ctx, r.transfer.Reader(f)))
	if err = errors.Join(err, f.Close()); err != nil {
		return b, err
	}
	if stable {
		r.index.remember(file, info, b)
	}
	r.indexed = r.indexed && stable
	return b, nil
}
