// Package arch tests that the code follows the structure in ARCHITECTURE.md. It
// contains only tests.
package arch
