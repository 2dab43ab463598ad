// Package promises tests what BuildKit promises its users, on our own solver:
// what does not run, what is not read and not fetched again, what is left on the
// machine, what stays in the cache.
//
// That a cache which was exported serves another machine is tested in package
// build, and with BuildKit on the other side in integration/daemon.
//
// The tests need only Go. Those of one package use the builds of package build in
// this process; what is about a whole process runs the program slipway.
package promises
