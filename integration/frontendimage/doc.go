// Package frontendimage makes the container image that builders run as the
// Dockerfile frontend: one static program on an empty file system.
//
// The Dockerfile at the top of the repository describes the same image for
// whoever has a builder and can pull a Go image; this package makes it with
// nothing but Go, so that tests, and a first try-out, need neither. A test
// keeps the two equal. The same source and the same Go give the same bytes.
//
// labels.go says what a builder reads from the image before it starts it.
package frontendimage
