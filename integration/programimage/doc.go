// Package programimage creates container images of our programs without a builder. An image
// contains a static program and a few files. Repeated creations result in identical images.
//
// An index has an image for each platform. It may also have attestations, in the layout of
// BuildKit: for each image, a manifest for the platform unknown/unknown, whose annotations refer
// to the image, and whose layers are in-toto statements.
package programimage
