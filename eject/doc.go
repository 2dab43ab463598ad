// Package eject prints a Dockerfile with extensions as a plain Dockerfile.
//
// [Render] reads the lowerings that package plan records: a plan knows the values and the
// conditions for its platform and its build arguments. Instructions that use no extension are
// printed byte for byte, with the comments around them. Package frontend plans the printed
// file again and compares the operations of both.
package eject
