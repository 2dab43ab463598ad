package sealed

import (
	"slices"
	"testing"
)

type value struct {
	Name  string
	Count int
}

func TestUnmarshalReturnsWhatWasMarshalled(t *testing.T) {
	want := value{"layer\nof two lines", 3}
	data, err := Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got value
	if err := Unmarshal(data, &got); err != nil || got != want {
		t.Errorf("Unmarshal: %+v, %v, want %+v", got, err, want)
	}
}

// TestUnmarshalDamaged checks that Unmarshal rejects data in which one byte has been
// changed, and data that has been truncated.
func TestUnmarshalDamaged(t *testing.T) {
	data, err := Marshal(value{"layer", 3})
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		damaged := slices.Clone(data)
		damaged[i] ^= 1
		for _, d := range [][]byte{damaged, data[:i]} {
			got := value{Name: "untouched"}
			if err := Unmarshal(d, &got); err == nil || got.Name != "untouched" {
				t.Errorf("byte %d: Unmarshal of %q: %+v, %v, want an error and no change", i, d, got, err)
			}
		}
	}
}

func TestMarshalReportsErrors(t *testing.T) {
	if _, err := Marshal(func() {}); err == nil {
		t.Error("Marshal of a function: no error")
	}
}
