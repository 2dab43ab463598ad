package solver

import (
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestKeyDigest checks that the digest of a key depends on the names, digests and order of
// its parts, and on no other fields of the parts.
func TestKeyDigest(t *testing.T) {
	one, two := digest.FromString("1"), digest.FromString("2")
	key := func(parts ...Part) digest.Digest { return Key{Parts: parts}.Digest() }
	base := key(Part{Name: "a", Digest: one}, Part{Name: "b", Digest: two})
	for _, tc := range []struct {
		about string
		key   digest.Digest
		same  bool
	}{
		{"origin", key(Part{Name: "a", Digest: one, Input: 1, Tree: two, From: 3}, Part{Name: "b", Digest: two}), true},
		{"order", key(Part{Name: "b", Digest: two}, Part{Name: "a", Digest: one}), false},
		{"name", key(Part{Name: "a", Digest: one}, Part{Name: "c", Digest: two}), false},
		{"digest", key(Part{Name: "a", Digest: one}, Part{Name: "b", Digest: one}), false},
		{"where names end", key(Part{Name: "a" + string(one) + "b", Digest: two}), false},
		{"a part less", key(Part{Name: "a", Digest: one}), false},
	} {
		if same := tc.key == base; same != tc.same {
			t.Errorf("%s: the digest is the same: %v, want %v", tc.about, same, tc.same)
		}
	}
}
