// Package inprocess implements mounts, containers, signals and cache mounts for runners
// that execute a process as a Go function on file trees. Packages script and interp
// implement such functions. No kernel features are required.
package inprocess
