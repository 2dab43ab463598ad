// Package baseimage creates the base images of test builds.
//
// Tests pull nothing from the internet. Each image is a small root filesystem with
// Debian's statically linked busybox. It is similar enough to the public image of the
// same name to run ordinary Dockerfiles and BuildKit's own tests of its Dockerfile
// frontend. The images are reproducible.
//
// An image is an index with several platforms that share one file tree and differ in
// their config, which is sufficient for resolving metadata. Only the platform of this
// machine can execute anything.
//
// Set returns the images for the tests of this project, and SuiteSet returns the images
// for BuildKit's test suite. Push pushes a set to a registry.
package baseimage
