// Package realimages runs ordinary builds with our solver and with BuildKit and
// compares the images layer by layer.
//
// The Dockerfiles of testdata are typical: they install packages, add users,
// compile programs and switch users. Each directory is one build context.
// debootstrap creates their base image, debian, from the mirror that apt of
// this machine is configured with. The image is stored in bin/realimages.
//
// Dockerfiles contain nothing about the network of the machine. Proxies are
// build arguments; the Go module proxy, the npm registry and the certificate
// authorities are secrets. excuses.go lists the files that differ between any
// two runs of the same step.
//
//	make realimages
//	go test -tags integration ./integration/realimages -only node
package realimages
