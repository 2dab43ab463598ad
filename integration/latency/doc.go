// Command latency measures how long a build takes in which nothing is left to
// do: three stages whose steps are all in the cache, through the gateway, with
// our image, with upstream's, and with one that does nothing but return scratch
// (folder scratch), which is the least that any image takes. The three take
// turns, so that what else the machine does meets them alike.
//
//	go run ./integration/latency [-runs 20]
//
// It needs Linux and root.
package main
