// Command latency measures the duration of a fully cached build: three stages,
// through the gateway, with our image and with upstream's. Two more images
// measure parts of it. The image scratch returns an empty result, which is the
// minimum for any image. The image known makes the builder create the same
// result without reading a Dockerfile. All images take turns, so that other
// load affects them equally.
//
//	go run ./integration/latency [-runs 20]
//
// It needs Linux and root.
package main
