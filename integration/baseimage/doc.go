// Package baseimage makes the base images that test builds start from.
//
// Tests pull nothing from the internet. Each image is a small root file system
// around Debian's statically linked busybox, close enough to the image of the
// same name for ordinary Dockerfiles and for BuildKit's own tests of its
// Dockerfile frontend. The same inputs give the same bytes.
//
// Images come as an index with several platforms that share one file tree and
// differ in their config, which is all that resolving metadata looks at; only
// the entry of the machine's own architecture can run anything.
//
// Set returns what the tests of this project use, SuiteSet what BuildKit's
// suite uses; Push sends a set to a registry.
package baseimage
