// Package imagetree lists what is in an image, in a form that can be compared
// and read.
//
// Open reads an OCI archive; Read turns each of its images into an Image: the
// file tree of every layer, one line per file with type, mode, owner, size,
// link target, extended attributes and digest of the content, and the config as
// a sorted JSON text. Times are left out of both: they are when a build ran, not
// what it made; Options.Times includes those of files, and Options.Began makes
// those of two builds comparable.
package imagetree
