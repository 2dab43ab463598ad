// Package promises checks that our solver keeps promises that BuildKit makes to its users.
// They concern which steps are not executed, which files are not read or fetched again, what a
// build leaves on the machine, and what stays in the cache.
//
// Two related tests are elsewhere: exporting a cache to another machine in package builder,
// and exchanging caches with BuildKit in integration/daemon.
//
// The tests need only Go. Some run package builder in this process, others the program
// slipway.
package promises
