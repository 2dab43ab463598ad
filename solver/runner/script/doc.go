// Package script runs steps as a test tells: what each of them prints, writes,
// how long it takes and how it ends. Nothing is executed.
//
// It is for tests of frontends, and of all that is about steps rather than about
// what programs do. A step that the test does not expect is an error that names
// it and those that are expected.
package script
