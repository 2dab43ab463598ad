// Command latency measures the duration of a fully cached build of three stages through the
// gateway, with our frontend image and with upstream's. Two more images show which part of
// the duration is the builder's own work:
//
//   - scratch returns an empty result, which is the minimum for any frontend image.
//   - known returns the same result as our frontend without reading a Dockerfile.
//
// All images take turns, so that other load affects them equally.
//
//	go run ./integration/latency [-runs 20]
//
// The command needs Linux and root.
package main
