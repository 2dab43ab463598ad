// Command conformance runs BuildKit's own tests of its Dockerfile frontend
// against upstream's image and against ours, and compares.
//
//	go run ./integration/conformance                            both images, both workers
//	go run ./integration/conformance -worker oci -run TestCopy  a part of it
//	go run ./integration/conformance -worker oci -recorded      ours alone, against the record
//	go run ./integration/conformance -record                    upstream's alone; write the record
//
// For each worker it prints how many tests passed with either image, and every
// test whose outcome differs. Sub-tests count like tests. A test that passes with
// upstream's image and not with ours makes the exit code 1; exit code 2 means
// that the tests could not run.
//
// Some tests want the internet, which nothing here uses. They fail with either
// image, and that is no difference: there is no list of excuses.
//
// The folder recorded holds the outcomes of upstream's image, a file for each
// worker. With -recorded they stand for its run, which takes half the time.
//
// Each test starts a builder of its own, and serves the frontend's image and base
// images from a registry of its own; suite.go has how they are run, outcomes.go
// how they are counted, compare.go what a difference is.
//
// It needs Linux, amd64 and root.
package main
