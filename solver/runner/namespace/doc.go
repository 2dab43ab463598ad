// Package namespace runs processes in Linux namespaces of their own, over an
// overlay of the trees that they see.
//
// It keeps the process of a step from the files and processes of the host, takes
// the privileges that builds do not need, and sees what the process changed in
// the upper directory of the overlay. It is for building what one trusts and for
// testing frontends. It is no boundary against hostile code.
//
// The process starts as this program again: [Main] has to be called first in its
// main function, and in TestMain of tests that use the runner. Someone who is not
// root becomes root in a user namespace with [Enter].
package namespace
