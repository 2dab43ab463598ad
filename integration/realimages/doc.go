// Package realimages does ordinary builds with our solver and with BuildKit and
// compares the images layer by layer.
//
// The Dockerfiles of testdata are what users write: they install packages, add
// users, compile programs and switch users. Each directory is one build context.
// Their base image, debian, is made by debootstrap from the mirror that apt of
// this machine is configured with. It is stored below bin/realimages.
//
// Nothing about the machine's network is in a Dockerfile. Proxies are build
// arguments; the Go module proxy, the npm registry and the certificate
// authorities are secrets. excuses.go lists the files that differ between any two
// runs of the same step.
//
//	make realimages
//	go test -tags integration ./integration/realimages -only node
package realimages
