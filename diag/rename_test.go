package diag

import (
	"testing"

	"slipway/source"
)

// TestRename checks that Rename changes the file names in a copy of the list.
func TestRename(t *testing.T) {
	f, other := source.NewFile("Dockerfile", []byte("FROM x\n")), source.NewFile("other", []byte("FROM y\n"))
	r, o := source.Range{File: f, Start: 1, End: 3}, source.Range{File: other, Start: 2, End: 4}
	old := Errorf(r, "text").In(r)
	old.Related = []Related{{Range: r, Context: r}, {Range: o}}
	old.Fixes = []Fix{{Edits: []Edit{{Range: r}}}}
	got := List{old, {Message: "nowhere"}}.Rename(map[string]string{"Dockerfile": "sub/Dockerfile", "": "bad"})
	d := got[0]
	for _, at := range []source.Range{d.Range, d.Context, d.Related[0].Range, d.Related[0].Context, d.Fixes[0].Edits[0].Range} {
		if at.File.Name != "sub/Dockerfile" || at.Start != 1 || at.End != 3 || at.File != d.Range.File {
			t.Errorf("range %+v, want bytes 1 to 3 of one file sub/Dockerfile", at)
		}
	}
	if d.Related[1].Range != o || !d.Related[1].Context.IsZero() || !got[1].Range.IsZero() {
		t.Errorf("got %+v, want an unknown file and a zero range unchanged", got)
	}
	if old.Range != r || old.Related[0].Range != r || old.Fixes[0].Edits[0].Range != r {
		t.Error("Rename modified its receiver")
	}
}
