// Package gateway implements the gateway API, through which BuildKit's frontends solve
// LLB, on top of package solver.
//
// [New] returns a client for one build, with which a program or a test can call the build
// function of any frontend:
//
//	c := gateway.New(gateway.Options{Build: build, Store: store, Sources: sources, Opts: opts})
//	res, err := frontend.Build(ctx, c)
//
// The references in the result have the type *Reference. The solver evaluates their
// Result. Containers that the frontend starts use the runner of the build: namespaces, an
// interpreter, or the script of a test.
//
// A frontend that forwards the build to an image (gateway.v0) starts the program in this image.
// Package bridge answers the requests of this program.
//
// Cache imports in a request are ignored, because they do not change the result.
package gateway
