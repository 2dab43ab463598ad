// Package gateway is BuildKit's gateway in this process: what a frontend talks to
// when a solver of package solver does the work.
//
// [New] makes a client for one build. Any frontend's build function runs on it,
// in a test as well as in a program:
//
//	c := gateway.New(gateway.Options{Build: build, Store: store, Sources: sources, Opts: opts})
//	res, err := frontend.Build(ctx, c)
//
// The references of the result are of type *Reference; their Result is what a
// solver works out. Containers that the frontend starts run with the runner of
// the build: in namespaces, interpreted, or as a test says.
//
// What is left to a BuildKit is an error that says so: frontends that are images,
// and attestations of images. Caches that a request imports do not count, which
// makes no other result.
package gateway
