// Package imagetree describes the content of an image as text, to compare images and to read
// differences.
//
// Open opens an OCI archive. Read converts each of its images to an Image. An Image contains
// the config as sorted JSON, and one line for each file of each layer. The line shows type,
// mode, owner, size, link target, xattrs and content digest. Times are omitted, because they
// depend on when a build ran. Options.Times includes file times. With Options.Start,
// times after the start of the first build are shown as "new", so that the descriptions of two
// builds can be equal.
package imagetree
