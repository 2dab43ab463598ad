// Package containers runs slipway build in the containers in which CI systems run jobs: of Docker
// Engine, of podman and of runc, with the options that restrict a job most often. It records
// which steps a build can run in each of them.
//
// make containers runs the test. With UPDATE=1, it writes the table in COMPATIBILITY.md.
package containers
