// Package script runs steps as specified by a test: their output, their files, their
// duration and how they end. It executes no programs.
//
// It is intended for tests of frontends and of other code that handles steps but does
// not depend on the programs in them. An unexpected step is an error that lists the
// step and the expected ones.
package script
