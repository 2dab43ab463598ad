// Package promises tests what BuildKit promises its users, on our own solver:
// what does not run, what is not read and not fetched again, what is left on the
// machine, what stays in the cache.
//
// The tests need only Go. Those of one package use the builds of package build in
// this process; what is about a whole process runs the program slipway.
package promises
