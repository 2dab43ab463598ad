// Package contenthash names files as BuildKit's cache keys name them: by their
// content, mode, owner and extended attributes, but not by their times. With
// these digests a cache finds what a COPY or a mount selects, however it came
// about. They have to agree byte by byte with those of BuildKit's
// cache/contenthash.
package contenthash
