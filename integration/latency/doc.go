// Command latency measures how long a build takes in which nothing is left to
// do: three stages whose steps are all in the cache, through the gateway, with
// our image and with upstream's. Two more images say what is theirs of it:
// scratch does nothing but return an empty result, which is the least that any
// image takes, and known has the builder make the same result without reading a
// Dockerfile. All take turns, so that what else the machine does meets them
// alike.
//
//	go run ./integration/latency [-runs 20]
//
// It needs Linux and root.
package main
