// Package kaniko runs the Dockerfiles of kaniko's own integration tests with slipway kaniko, so that the
// images can be compared with BuildKit's.
//
// The Dockerfiles and their contexts are read from the source of kaniko in the module cache, where the go
// command downloads it. No file of kaniko is part of this repository. Base images are replaced: by the
// images of package baseimage, or by Debian from package realimages. Digests of images are removed.
// [Build.Skip] says why a Dockerfile cannot run, for example because it needs the internet.
//
//	make kaniko
//	go test -tags integration -run TestKaniko ./integration/clients
package kaniko
