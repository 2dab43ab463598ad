package plan

import (
	"fmt"
	"strings"
	"testing"
)

// TestOutlineLarge checks that the outline visits each stage once, even if many paths
// lead to it. Otherwise the number of visits would grow exponentially.
func TestOutlineLarge(t *testing.T) {
	var b strings.Builder
	b.WriteString("FROM scratch AS s0\nFROM scratch AS s1\n")
	const n = 300
	for i := 2; i < n; i++ {
		fmt.Fprintf(&b, "FROM s%d AS s%d\nARG A%d=%d\nCOPY --from=s%d a b\nCOPY --from=s%d c d\n", i-1, i, i, i, i-2, i-1)
	}
	p, err := build(b.String(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(p.Outline().Args); got != n-2 {
		t.Errorf("%d arguments, want %d", got, n-2)
	}
}
