// Package frontendimage creates the container image that builders run as the
// Dockerfile frontend: a static program on an empty filesystem.
//
// The Dockerfile in the root of the repository describes the same image, for
// users who have a builder and can pull a Go image. This package needs only Go,
// so that tests and first experiments do not depend on a builder. A test checks
// that both are equal. The image is reproducible.
//
// labels.go contains the labels that a builder reads before it starts the
// image.
package frontendimage
