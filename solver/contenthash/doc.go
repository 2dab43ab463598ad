// Package contenthash computes BuildKit's content digests of files, which cover content,
// mode, owner and extended attributes, but not times. With these digests, a cache finds
// results by the files that a COPY or a mount selects, however they were made. The
// digests must be byte for byte equal to those of BuildKit's cache/contenthash.
package contenthash
