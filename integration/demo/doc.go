// Command demo demonstrates the frontend. It starts a builder and a registry, pushes our
// frontend image to the registry, and builds examples/hello. The first line of the example's
// Dockerfile names our image. Finally it prints the content of the built image.
//
//	go run ./integration/demo
//
// The command needs Linux and root. At the end, it stops all processes that it started.
package main
