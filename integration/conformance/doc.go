// Command conformance runs BuildKit's own tests of its Dockerfile frontend with
// upstream's image and with ours, and compares the outcomes. With -solver, it
// runs BuildKit's tests with buildkitd and with slipway serve.
//
//	go run ./integration/conformance                            both images, both workers
//	go run ./integration/conformance -worker oci -run TestCopy  a part of it
//	go run ./integration/conformance -worker oci -recorded      only ours, compared with the record
//	go run ./integration/conformance -record                    only upstream's; write the record
//	go run ./integration/conformance -solver                    both builders, all suites
//	go run ./integration/conformance -solver -suites client -recorded -run TestFileOp
//	go run ./integration/conformance -solver -recorded -quick   what CI runs
//	go run ./integration/conformance -solver -record            only buildkitd; write the record
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
// With -solver, the suites are client (the tests of BuildKit's client package),
// dockerfile (the Dockerfile tests with the frontend in the builder) and
// dockerfile-image (the same with upstream's frontend image). A program named
// buildkitd starts slipway serve with the flags of buildkitd. The exit code is
// 1 if a test passes only with buildkitd, unless recorded/solver-SUITE-lost.txt
// contains the reason. That file has a line for each such test. With -quick, a
// suite that has a file recorded/solver-SUITE-quick.txt runs only the tests in it.
//
// Each test starts its own builder, and serves the frontend image and base
// images from its own registry. suite.go runs the tests, outcomes.go counts the
// outcomes, and compare.go defines a difference.
//
// The command needs Linux, amd64 and root.
package main
