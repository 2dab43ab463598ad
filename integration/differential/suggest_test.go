package differential

import (
	"errors"
	"math/rand/v2"
	"testing"

	upstream "github.com/moby/buildkit/util/suggest"

	"slipway/internal/suggest"
)

// TestSuggest checks that our package and upstream's suggest the same words for random words
// over a small alphabet.
func TestSuggest(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	letters := []rune("abAé1-")
	word := func() string {
		w := make([]rune, r.IntN(7))
		for i := range w {
			w[i] = letters[r.IntN(len(letters))]
		}
		return string(w)
	}
	base := errors.New("fault")
	for range 100_000 {
		options := make([]string, r.IntN(6))
		for i := range options {
			options[i] = word()
		}
		w, caseSensitive := word(), r.IntN(2) == 0
		want := upstream.WrapError(base, w, options, caseSensitive).Error()
		if got := base.Error() + suggest.Hint(w, options, caseSensitive); got != want {
			t.Fatalf("%q of %q, case sensitive %t:\n got %s\nwant %s", w, options, caseSensitive, got, want)
		}
	}
}
