package slowtest

import "testing"

func TestSkip(t *testing.T) {
	skipped := true
	t.Run("slow", func(t *testing.T) {
		t.Cleanup(func() { skipped = t.Skipped() })
		Skip(t, "is an example")
	})
	if skipped != testing.Short() {
		t.Errorf("-short is %v, but skipped %v", testing.Short(), skipped)
	}
}
