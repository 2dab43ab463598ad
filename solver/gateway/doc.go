// Package gateway is BuildKit's gateway in this process: what a frontend talks to
// when a solver of package solver does the work.
//
// [New] makes a client for one build. Any frontend's build function runs on it,
// in a test as well as in a program:
//
//	c := gateway.New(gateway.Options{Build: build, Sources: sources, Opts: opts})
//	res, err := frontend.Build(ctx, c)
//
// The references of the result are of type *Reference; their Result is what a
// solver works out.
package gateway
