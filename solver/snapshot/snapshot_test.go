package solver

import "testing"

// TestMaxLayers: as many layers as engines take are allowed, and not one more.
func TestMaxLayers(t *testing.T) {
	for n, want := range map[int]string{0: "", 1024: "", 1025: "has more than 1024 layers", 2048: "has more than 1024 layers"} {
		got := ""
		if err := checkLayers(n); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%d layers: %q, want %q", n, got, want)
		}
	}
}
