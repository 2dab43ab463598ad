// Package remotecache reads and writes build caches as BuildKit exports them: a
// manifest of layers, and a config that says how they came about, in a registry
// or in a directory. What one of the two has exported saves the other the steps.
//
// The config names operations as package cachemap does. Its format is that of
// BuildKit's cache/remotecache/v1.
package remotecache
