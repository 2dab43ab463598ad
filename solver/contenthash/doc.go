// Package contenthash computes BuildKit's content digests of files. They cover content,
// mode, owner and extended attributes, but not times. Exported caches contain them, so
// that a COPY or a mount of the same files is a cache hit, even if another operation
// produced the files. The digests must be equal to those of BuildKit's cache/contenthash.
package contenthash
