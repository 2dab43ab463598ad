// Package launch contains what all runners of real processes need to start the program of a
// step: it looks up the user, completes the environment, finds the program, and explains why
// the kernel does not execute it.
package launch
