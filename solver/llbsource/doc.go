// Package llbsource resolves the source operations of an LLB definition: images from
// registries and OCI layouts, local directories, HTTP downloads and git repositories.
//
// Sources.Open resolves a source to pinned content, whose digest enters the cache key.
// The content is fetched only if the cache does not have the result.
package llbsource
