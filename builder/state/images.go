package state

import (
	"context"

	"slipway/solver/diskcache"
	"slipway/solver/tree"
)

// holdImages adds the blobs of stored images to the used blobs in u. A prune does not
// remove used blobs. The result contains an entry for each image. If several images share a
// blob, only the entry of the first image includes the size of the blob.
func (d *Dir) holdImages(u *diskcache.Usage) ([]Entry, error) {
	list, _, err := d.Images.List()
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, img := range list {
		e := Entry{Record: diskcache.Record{
			Key: img.Root.Digest.Encoded(), Kind: KindImage, Name: "image " + img.Name, Used: img.Created,
		}}
		for _, b := range img.Blobs {
			e.Bytes += u.Hold(b.Digest)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// Free removes the given blobs from the store, except blobs to which the cache or a stored
// image refers. The caller must hold the exclusive lock.
func (d *Dir) Free(ctx context.Context, blobs []tree.Blob) error {
	if !d.isCurrent() {
		return nil // records of another version may refer to the blobs; a prune removes both
	}
	records, err := d.Cache.Records(ctx)
	if err != nil {
		return err
	}
	u, err := d.Cache.Usage(ctx, records)
	if err != nil {
		return err
	}
	if _, err := d.holdImages(u); err != nil {
		return err
	}
	live, _ := u.Live()
	for _, b := range blobs {
		if live[b.Digest] {
			continue
		}
		if err := d.Store.Remove(b.Digest); err != nil {
			return err
		}
	}
	return nil
}
