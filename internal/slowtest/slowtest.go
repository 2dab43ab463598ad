// Package slowtest leaves slow tests out of `go test -short`. `make test` runs all.
package slowtest

import "testing"

// Skip skips a test with -short. why says what takes its time: "repeats a race".
func Skip(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow: " + why)
	}
}
