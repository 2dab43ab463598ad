//go:build unix

package diskcache

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/internal/testtree"
	"slipway/solver"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// putFile stores a result in the cache and returns it. The result has the files of base,
// which may be nil, and one more file. The parameter name is the name of this file, and
// data is its content. The key of the result is the digest of origin.Name.
func putFile(t *testing.T, c *Cache, origin solver.Origin, base *snapshot.Snapshot, name, data string) *snapshot.Snapshot {
	t.Helper()
	b, err := c.store.PutBytes([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	f := tree.NewFile(tree.Meta{Mode: 0o644}, b)
	e := tree.Edit(testtree.Of(base))
	if err := e.Put(name, f); err != nil {
		t.Fatal(err)
	}
	s := base.With(e.Tree())
	if err := c.Put(t.Context(), digest.FromString(origin.Name), origin, solver.CacheEntry{Outputs: []*snapshot.Snapshot{s}}); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOwn checks that a file counts in the size of the record that added it, even if other
// records based on it were used earlier. The sum of the sizes must be the disk usage.
func TestOwn(t *testing.T) {
	c := newCache(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c.now = func() time.Time { return now }
	base := putFile(t, c, solver.Origin{Name: "base", Source: "docker-image://base"}, nil, "large", strings.Repeat("x", 100_000))
	second := putFile(t, c, solver.Origin{Name: "second"}, base, "dir", strings.Repeat("y", 10_000))
	putFile(t, c, solver.Origin{Name: "third"}, second, "small", strings.Repeat("z", 1_000))
	putFile(t, c, solver.Origin{Name: "copy"}, nil, "copied", strings.Repeat("x", 100_000)) // of the file in base
	now = now.Add(time.Hour)
	for _, name := range []string{"second", "base"} {
		if _, ok, err := c.Get(t.Context(), digest.FromString(name)); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	sizes := func(without string) (map[string]int64, *Usage) {
		t.Helper()
		all, err := c.Records(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var records []Record
		for _, r := range all {
			if r.Name != without {
				records = append(records, r)
			}
		}
		u, err := c.Usage(context.WithoutCancel(t.Context()), records)
		if err != nil {
			t.Fatal(err)
		}
		own, byName := u.Own(records), map[string]int64{}
		var sum int64
		for _, r := range records {
			byName[r.Name] = own[r.Key]
			sum += own[r.Key]
		}
		if used, _ := u.Bytes(); sum != used {
			t.Errorf("without %q: the sum of the sizes is %d, want the used size %d", without, sum, used)
		}
		return byName, u
	}
	check := func(without string, want map[string]int64) {
		t.Helper()
		got, _ := sizes(without)
		for name, n := range want {
			const rest = 1500 // the record file and directories
			if got[name] < n || got[name] > n+rest {
				t.Errorf("without %q: %s has %d bytes, want about %d", without, name, got[name], n)
			}
		}
	}
	check("", map[string]int64{"base": 100_000, "second": 10_000, "third": 1_000, "copy": 0})
	check("base", map[string]int64{"second": 10_000, "third": 1_000, "copy": 100_000})
	check("third", map[string]int64{"base": 100_000, "second": 10_000, "copy": 0})
}

// TestHold checks that a held blob is live even without records, and that it counts neither
// as used nor as unused.
func TestHold(t *testing.T) {
	c := newCache(t)
	large, small := strings.Repeat("x", 100_000), strings.Repeat("y", 10_000)
	putFile(t, c, solver.Origin{Name: "large"}, nil, "large", large)
	putFile(t, c, solver.Origin{Name: "small"}, nil, "small", small)
	other, err := c.store.PutBytes([]byte("not in the cache"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := c.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := c.Usage(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	before, unused := u.Bytes()
	for _, want := range []int64{100_000, 0} {
		if n := u.Hold(digest.FromString(large)); n != want {
			t.Errorf("Hold returns %d, want %d", n, want)
		}
	}
	if n := u.Hold(other.Digest); n != other.Size {
		t.Errorf("Hold of an unused blob returns %d, want %d", n, other.Size)
	}
	if used, rest := u.Bytes(); used != before-100_000 || rest != unused-other.Size {
		t.Errorf("%d bytes used and %d unused, want %d and %d", used, rest, before-100_000, unused-other.Size)
	}
	var freed int64
	for _, r := range records {
		freed += u.Drop(r)
	}
	if freed >= 100_000 || freed < 10_000 {
		t.Errorf("Drop returns %d in total, want the size of the small file and the records", freed)
	}
	blobs, _ := u.Live()
	if !blobs[digest.FromString(large)] || !blobs[other.Digest] || blobs[digest.FromString(small)] {
		t.Errorf("live blobs %v, want the two held ones", blobs)
	}
}
