// Package slowtest skips slow tests in `go test -short`. `make test` runs all tests.
package slowtest

import "testing"

// Skip skips a slow test if -short is set. The parameter why explains why the test is slow,
// for example "repeats a race".
func Skip(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow: " + why)
	}
}
