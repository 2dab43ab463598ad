// Package baseimage creates the base images of test builds.
//
// Tests pull nothing from the internet. Each image is a small root filesystem
// with Debian's statically linked busybox. It is similar enough to the image of
// the same name for ordinary Dockerfiles and for BuildKit's own tests of its
// Dockerfile frontend. The images are reproducible.
//
// An image is an index with several platforms that share one file tree and
// differ in their config, which is sufficient for resolving metadata. Only the
// platform of this machine can execute anything.
//
// Set returns the images for the tests of this project, SuiteSet those for
// BuildKit's test suite. Push pushes a set to a registry.
package baseimage
