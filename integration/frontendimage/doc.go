// Package frontendimage creates the container image that builders run as the Dockerfile
// frontend. The image contains only a static program. Repeated creations result in identical
// images.
//
// The Dockerfile in the root of the repository describes the same image, for users who have a
// builder and can pull a Go image. Package programimage, which creates it here, needs only Go, so
// tests and first experiments do not depend on a builder. A test checks that both images are
// equal.
//
// labels.go contains the labels that a builder reads before it starts the frontend.
package frontendimage
