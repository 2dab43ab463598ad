// Package promises checks that our solver keeps the promises that BuildKit makes to its users:
// which steps are not executed, which files are not read or fetched again, what a build leaves
// on the machine, and what stays in the cache.
//
// Two related tests are elsewhere: package builder tests exporting a cache to another machine,
// and integration/daemon tests exchanging caches with BuildKit.
//
// The tests need only Go. Some run package builder in this process, others the program slipway.
package promises
