// Package inprocess runs processes that are functions of this program, on the
// file tree itself. A runner that needs nothing of the kernel says what a process
// does; the rest, from mounts to containers, is here.
package inprocess
