// Command conformance runs BuildKit's own tests of its Dockerfile frontend
// against our image and says how many pass.
//
//	go run ./integration/conformance                  our image
//	go run ./integration/conformance -image upstream  BuildKit's own frontend
//	go run ./integration/conformance -run TestCopy    some of the tests
//
// The tests start a builder each (worker=oci) and serve the frontend image and
// base images from a registry of their own; see suite.go for how they are run,
// report.go for how they are counted. Sub-tests count like tests.
//
// expected.txt names the tests that need the internet or more privileges than a
// container gives. They are counted as failures and reported as expected; any
// other failure, and any test without an end, makes the exit code 1. One in that
// list that passes is reported, so that the list can be cut when it passes
// everywhere. Exit code 2 means that the tests could not run.
//
// It needs Linux, amd64 and root.
package main
