// Package source opens the sources of definitions: images of registries and OCI
// layouts, directories, HTTP, git.
//
// Sources.Open finds out what a source is now; the digest that this gives is
// what the cache of a build looks at. Only when nothing is cached is a source
// fetched.
package source
