// Package remotecache imports and exports build caches in BuildKit's format, so that
// BuildKit and Slipway can import each other's caches. A cache consists of a manifest,
// which lists layers, and a config, which contains cache records. It is stored in a
// registry or in a directory. An inline cache is part of the config of an image.
//
// BuildKit's package cache/remotecache/v1 defines the format. Package cachemap computes the
// digests of records.
package remotecache
