// Package imagetree lists the content of an image in a comparable and readable
// form.
//
// Open opens an OCI archive. Read converts each of its images to an Image: the
// file tree of every layer, one line per file with type, mode, owner, size,
// link target, extended attributes and content digest, and the config as sorted
// JSON. Both omit times, because they depend on when a build ran. Options.Times
// includes times of files, and Options.Start makes the times of two builds
// comparable.
package imagetree
