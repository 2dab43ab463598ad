// Package arch checks that the code follows ARCHITECTURE.md and CONTRIBUTING.md. It contains
// only tests.
package arch
