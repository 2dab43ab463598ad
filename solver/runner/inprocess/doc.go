// Package inprocess runs processes that are functions of this program and work directly
// on file trees. A runner that needs no kernel features implements the function. This
// package implements mounts, containers and the rest of a runner.
package inprocess
