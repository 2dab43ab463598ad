// Package realimages runs typical builds with our solver and with BuildKit and compares the
// images layer by layer.
//
// The Dockerfiles in testdata install packages, add users, compile programs and switch users.
// Each directory is a build context. The base image, debian, is created by debootstrap from
// the mirror that apt on this machine is configured with. It is stored in bin/realimages.
//
// The Dockerfiles do not depend on the network of the machine. Proxies are build arguments.
// The Go module proxy, the npm registry and the certificate authorities are secrets.
// excuses.go lists the files that differ between any two runs of the same step.
//
//	make realimages
//	go test -tags integration ./integration/realimages -only node
package realimages
