// Command conformance runs BuildKit's own tests of its Dockerfile frontend with
// upstream's image and with ours, and compares the outcomes.
//
//	go run ./integration/conformance                            both images, both workers
//	go run ./integration/conformance -worker oci -run TestCopy  a part of it
//	go run ./integration/conformance -worker oci -recorded      only ours, compared with the record
//	go run ./integration/conformance -record                    only upstream's; write the record
//
// For each worker it prints the number of tests that passed with each image, and every
// test whose outcome differs. A subtest counts as a test. The exit code is 1 if a test
// passes with upstream's image but not with ours, and 2 if the tests could not run.
//
// Some tests need the internet, which is not available. They fail with both images,
// which is not a difference, so no list of excuses is needed.
//
// The directory recorded contains the outcomes of upstream's image, a file for each
// worker. With -recorded, the command reads this file instead of running the tests with
// upstream's image, which halves the time.
//
// Each test starts its own builder, and serves the frontend image and base images from
// its own registry. suite.go runs the tests, outcomes.go counts the outcomes, and
// compare.go defines a difference.
//
// The command needs Linux, amd64 and root.
package main
