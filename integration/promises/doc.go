// Package promises tests that our solver keeps the promises that BuildKit makes
// to its users: which steps do not run, which files are not read or fetched
// again, what remains on the machine, and what remains in the cache.
//
// Exporting a cache to another machine is tested in package builder, and with
// BuildKit on the other side in integration/daemon.
//
// The tests need only Go. Tests of builds run package builder in this process;
// tests of a whole process run the program slipway.
package promises
