package tree

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestResolveInTrees checks that Resolve follows symbolic links as the kernel does for a
// process whose root is the tree.
func TestResolveInTrees(t *testing.T) {
	root, err := ReadLayer(nil, archive(t, "d dir", "d/e dir", "d/f x", "abs -> /d/e", "rel -> d/e", "d/e/up -> ../f", "out -> ../../d",
		"loop -> loop", "none -> /lost/x", "slash -> d/e/"), testStore(t), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("n", maxName+1)
	for name, want := range map[string]string{
		"": "", "/": "", ".": "", "..": "", "d/../d/e": "d/e", "/d//e/.": "d/e", "abs": "d/e", "abs/up": "d/f", "rel/up": "d/f", "rel/../f": "d/f",
		"out/e": "d/e", "none": "lost/x", "none/y": "lost/x/y", "slash/up": "d/f", "d/f/x": "d/f/x", "d/f/../e": "d/e",
		"loop": "!too many levels of symbolic links", "d/" + long: "!file name too long", strings.Repeat("a/", 2049): "!file name too long",
	} {
		got, err := root.Resolve(name, true)
		edited, editErr := Edit(root).Resolve(name, true)
		if message, ok := strings.CutPrefix(want, "!"); ok {
			if err == nil || !strings.HasSuffix(err.Error(), message) || editErr == nil || editErr.Error() != err.Error() {
				t.Errorf("%s: error %v and %v, want %s", name, err, editErr, message)
			}
			continue
		}
		if err := errors.Join(err, editErr); err != nil || got != want || edited != want {
			t.Errorf("%s: %s and %s, %v, want %s", name, got, edited, err, want)
		}
	}
	for name, want := range map[string]string{"abs": "abs", "abs/": "abs", "abs/up": "d/e/up", "d/..": ""} {
		if got, err := root.Resolve(name, false); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, want)
		}
	}
}

// TestLinkSteps checks that ReadLayer returns an error for a layer whose symbolic links
// cause too many path lookups. Entries without links in their paths must not count.
func TestLinkSteps(t *testing.T) {
	lines := []string{"l0 dir"}
	for i := range 250 {
		lines = append(lines, fmt.Sprintf("l%d -> l%d", i+1, i))
	}
	lines = append(lines, "d dir", "d/x a", "l250/x a", "l250/y b") // each path in l250 leads through 249 more links
	read := func(steps int64) error {
		_, err := ReadLayer(nil, archive(t, lines...), testStore(t), ReadOptions{linkSteps: steps})
		return err
	}
	if err := read(2 * 250); err != nil {
		t.Error(err)
	}
	if err := read(2*250 - 1); !errors.Is(err, errLinkSteps) || !strings.Contains(err.Error(), `layer entry "l250/y": `) {
		t.Errorf("error %v, want %v for l250/y", err, errLinkSteps)
	}
	if err := read(0); err != nil {
		t.Error(err)
	}
	lines = append(lines, "long -> "+strings.Repeat("./", 1000)+"l0", "again -> long", "again/z c")
	if err := read(2*250 + 100); !errors.Is(err, errLinkSteps) { // a long target costs more
		t.Errorf("error %v, want %v", err, errLinkSteps)
	}
}
