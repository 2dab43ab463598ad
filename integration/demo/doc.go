// Command demo shows the frontend at work: it starts a builder and a registry,
// pushes our image to the registry, builds examples/hello through the image that
// the first line of its Dockerfile names, and prints what the built image holds.
//
//	go run ./integration/demo
//
// It needs Linux and root, ends by itself and leaves nothing running.
package main
