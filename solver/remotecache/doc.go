// Package remotecache imports and exports build caches in BuildKit's format, so that
// BuildKit and Slipway can import each other's caches. A cache is a manifest of layers with
// a config of cache records, in a registry or in a directory. An inline cache is part of
// the config of an image.
//
// BuildKit's package cache/remotecache/v1 defines the format. Package cachemap computes the
// digests of records.
package remotecache
