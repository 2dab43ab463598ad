// Package remotecache imports and exports build caches in BuildKit's format: a manifest
// of layers, and a config of cache records, in a registry or in a directory. BuildKit and
// this program can import each other's caches.
//
// Records of the config have the digests of package cachemap. The format is defined by
// BuildKit's cache/remotecache/v1.
package remotecache
