package state

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"slipway/solver/diskcache"
	"slipway/solver/export"
	"slipway/solver/runner/chroot"
	"slipway/solver/tree"
)

// discard renames a directory and then removes it. If the process is killed during the removal,
// no incomplete directory remains under the original name.
func discard(dir string) error {
	if err := tree.RemoveAll(dir + removalSuffix); err != nil { // of a process that was killed
		return err
	}
	err := os.Rename(dir, dir+removalSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, tree.RemoveAll(dir+removalSuffix))
}

// discardLayers removes the runner's directory, after renaming it as [discard] does. Before the
// removal, it moves blobs from the runner's layers into the store: the blobs that the callback
// keep accepts, or all blobs if keep is nil.
func (d *Dir) discardLayers(keep func(digest.Digest) bool) error {
	if err := d.finishLayers(nil); err != nil { // of a process that was killed
		return err
	}
	err := os.Rename(d.Namespace(), d.Namespace()+removalSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.finishLayers(keep)
}

// finishLayers removes the runner's directory after [Dir.discardLayers] has renamed it. Before
// the removal, it moves blobs from the runner's layers into the store: the blobs that the
// callback keep accepts, or all blobs if keep is nil.
func (d *Dir) finishLayers(keep func(digest.Digest) bool) error {
	removed := d.Namespace() + removalSuffix
	boots, err := os.ReadDir(runnerLayers(removed))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, boot := range boots {
		if !boot.IsDir() {
			continue
		}
		if err := d.Store.TakeBack(filepath.Join(runnerLayers(removed), boot.Name()), keep); err != nil {
			return err
		}
	}
	return tree.RemoveAll(removed)
}

// sweep removes blobs and directories from the store if no cached result, exported layer or
// stored image refers to them. The parameter u contains the references from results and stored
// images.
func (d *Dir) sweep(ctx context.Context, u *diskcache.Usage) error {
	blobs, dirs := u.Live()
	layers, err := (&export.Layers{Dir: d.join("layers")}).Blobs()
	if err != nil {
		return err
	}
	maps.Copy(blobs, layers)
	if err := d.Files.Keep(func(b tree.Blob) bool { return blobs[b.Digest] }); err != nil {
		return err
	}
	return errors.Join(d.Store.Sweep(ctx, blobs, dirs), d.Cache.Sweep(ctx))
}

// reclaim removes the temporary files of killed builds. The caller must hold the exclusive
// lock.
func (d *Dir) reclaim() error {
	errs := []error{d.Store.Clean(), d.Cache.Clean(), d.Outputs().Reclaim(), d.finishLayers(nil), chroot.Restore(d.Chroot())}
	left := []string{d.Temp(), filepath.Join(d.Namespace(), "run"), filepath.Join(d.Chroot(), "run")}
	for _, dir := range []string{"", "layers", "explain", "images"} {
		left = append(left, export.Unfinished(d.join(dir))...)
	}
	for _, pattern := range []string{"mounts/*/new-*", "mounts/*" + removalSuffix, "*" + removalSuffix, "running/*"} {
		found, err := fs.Glob(os.DirFS(d.Path), pattern)
		for _, name := range found {
			if d.join(name) != d.Namespace()+removalSuffix { // see finishLayers
				left = append(left, d.join(name))
			}
		}
		errs = append(errs, err)
	}
	for _, name := range left {
		errs = append(errs, tree.RemoveAll(name))
	}
	return errors.Join(errs...)
}
