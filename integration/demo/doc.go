// Command demo demonstrates the frontend. It starts a builder and a registry,
// pushes our image to the registry, builds examples/hello with the image named
// in the first line of its Dockerfile, and prints the content of the built
// image.
//
//	go run ./integration/demo
//
// It needs Linux and root, and stops everything that it started.
package main
