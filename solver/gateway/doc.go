// Package gateway implements BuildKit's gateway API for frontends on top of package
// solver, in this process.
//
// [New] returns a client for one build. The build function of any frontend can use it, in
// a test or in a program:
//
//	c := gateway.New(gateway.Options{Build: build, Store: store, Sources: sources, Opts: opts})
//	res, err := frontend.Build(ctx, c)
//
// The references of the result are of type *Reference. Their Result is evaluated by the
// solver. Containers that the frontend starts use the runner of the build: namespaces, an
// interpreter, or the script of a test.
//
// Frontends that are images and attestations of images need a BuildKit daemon. Requests
// for them return an error that says so. Cache imports of a request are ignored, because
// they do not change the result.
package gateway
