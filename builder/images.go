package builder

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"slipway/solver"
	"slipway/solver/diskcache"
	"slipway/solver/export"
	"slipway/solver/tree"
)

// outputs returns the outputs of the build. Without any, the result is stored under its
// tags.
func (o *Options) outputs() []Output {
	if o.Builder == nil && o.Call == "" && len(o.Outputs) == 0 && len(o.Tags) > 0 {
		return []Output{{Type: "image"}}
	}
	return o.Outputs
}

// stores reports whether an output is a stored image.
func (o *Options) stores(out Output) bool {
	return o.Builder == nil && out.Type == "image" && !out.Push
}

// storeImage gives an image names. Unless all is set, it gives only those that
// stored images have: builds must not find an older image than what was last pushed
// or loaded under a name.
func (s *state) storeImage(ctx context.Context, root *export.Root, names []string, all bool) error {
	if !all {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			_, err := s.names.Get(name)
			return errors.Is(err, fs.ErrNotExist)
		})
	}
	if err := ctx.Err(); err != nil || len(names) == 0 {
		return err
	}
	for _, name := range names {
		solver.Track(ctx, "naming to "+name, 0).Done()
	}
	return s.names.Put(root, names)
}

// held takes the blobs of stored images out of the cache, and returns the images,
// each with the bytes of the blobs that those before it do not have.
func (s *state) held(u *diskcache.Usage) ([]CacheEntry, error) {
	list, _, err := s.names.List()
	if err != nil {
		return nil, err
	}
	var entries []CacheEntry
	for _, img := range list {
		e := CacheEntry{Record: diskcache.Record{
			Key: img.Root.Digest.Encoded(), Kind: kindImage, Name: "image " + img.Name, Used: img.Created,
		}}
		for _, b := range img.Blobs {
			e.Bytes += u.Hold(b.Digest)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// free removes blobs that neither the cache nor an image refers to. The state
// directory must be locked.
func (s *state) free(ctx context.Context, blobs []tree.Blob) error {
	records, err := s.cache.Records(ctx)
	if err != nil {
		return err
	}
	u, err := s.cache.Usage(ctx, records)
	if err != nil {
		return err
	}
	if _, err := s.held(u); err != nil {
		return err
	}
	live, _ := u.Live()
	for _, b := range blobs {
		if live[b.Digest] {
			continue
		}
		if err := s.store.Remove(b.Digest); err != nil {
			return err
		}
	}
	return nil
}
