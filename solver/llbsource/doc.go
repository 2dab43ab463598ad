// Package llbsource opens the sources of definitions: images of registries and OCI
// layouts, local directories, HTTP downloads and git repositories.
//
// Sources.Open resolves a source to pinned content, with a digest for the cache key.
// The content is fetched only if the cache does not have the result.
package llbsource
