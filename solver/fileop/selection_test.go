package fileop

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/testtree"
)

// TestSelect checks which files of its source a copy selects.
func TestSelect(t *testing.T) {
	s := newStore(t)
	src := treeOf(t, s, map[string]string{"a/f": "f", "a/g": "g", "b/f": "f", "c": "c"})
	for _, tc := range []struct {
		about string
		copy  *pb.FileActionCopy
		want  string // paths; an error is in quotation marks
	}{
		{"a file", &pb.FileActionCopy{Src: "/c"}, "c"},
		{"a directory", &pb.FileActionCopy{Src: "/a/"}, "a a/f a/g"},
		{"everything", &pb.FileActionCopy{Src: "/"}, " a a/f a/g b b/f c"},
		{"a missing file", &pb.FileActionCopy{Src: "/none"}, `"/none": not found`},
		{"a wildcard", &pb.FileActionCopy{Src: "/[ab]/f", AllowWildcard: true}, "a/f b/f"},
		{"a name like a wildcard", &pb.FileActionCopy{Src: "/[ab]/f"}, `"/[ab]/f": not found`},
		{"a wildcard without matches", &pb.FileActionCopy{Src: "/x*", AllowWildcard: true}, `"/x*": not found`},
		{"a wildcard without matches and AllowEmptyWildcard", &pb.FileActionCopy{Src: "/x*", AllowWildcard: true, AllowEmptyWildcard: true}, ""},
		{"a wildcard in a missing directory", &pb.FileActionCopy{Src: "/x/*", AllowWildcard: true}, `"/x": not found`},
		{"included", &pb.FileActionCopy{Src: "/", IncludePatterns: []string{"*/f"}}, " a a/f b b/f"},
		{"excluded", &pb.FileActionCopy{Src: "/", ExcludePatterns: []string{"a", "c"}}, " b b/f"},
		{"excluded except for one file", &pb.FileActionCopy{Src: "/", ExcludePatterns: []string{"a", "c", "!a/g"}}, " a a/g b b/f"},
		{"invalid", &pb.FileActionCopy{Src: "/", IncludePatterns: []string{"["}}, `invalid include patterns ["["]: syntax error in pattern`},
	} {
		sel, err := Select(src, tc.copy)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = strings.Join(slices.Sorted(maps.Keys(testtree.Must(sel.Files()))), " ")
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.about, got, tc.want)
		}
	}
}

// TestSelectionDigest checks that the digest of a selection depends on the selected files
// and on no others.
func TestSelectionDigest(t *testing.T) {
	s := newStore(t)
	base := map[string]string{"a/f": "f", "a/g": "g", "c": "c"}
	digest := func(change func(map[string]string)) string {
		t.Helper()
		content := maps.Clone(base)
		change(content)
		sel, err := Select(treeOf(t, s, content), &pb.FileActionCopy{Src: "/a", IncludePatterns: []string{"f"}})
		if err != nil {
			t.Fatal(err)
		}
		return string(sel.Digest())
	}
	old := digest(func(map[string]string) {})
	for _, tc := range []struct {
		about  string
		change func(map[string]string)
		same   bool
	}{
		{"a file outside the source path", func(m map[string]string) { m["c"] = "x" }, true},
		{"a file that is not included", func(m map[string]string) { m["a/g"] = "x" }, true},
		{"an included file", func(m map[string]string) { m["a/f"] = "x" }, false},
		{"a deleted file", func(m map[string]string) { delete(m, "a/f") }, false},
	} {
		if same := digest(tc.change) == old; same != tc.same {
			t.Errorf("%s: the digest is the same: %v, want %v", tc.about, same, tc.same)
		}
	}
}

// TestCheckRequired checks that CheckRequired returns an error for a required path that the
// copy does not select.
func TestCheckRequired(t *testing.T) {
	src := treeOf(t, newStore(t), map[string]string{"made/f": ""})
	for _, tc := range []struct{ about, path, include, required, want string }{
		{"found", "/", "made", "/made", ""},
		{"root", "/", "", "/", `"/": not found`},
		{"nothing after a pivot", "/none", "x", "/none/x", `"/none/x": not found`},
	} {
		err := CheckRequired(src, &pb.FileActionCopy{Src: tc.path, IncludePatterns: []string{tc.include}, RequiredPaths: []string{tc.required}})
		var missing *NotFoundError
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: error %v, want nil", tc.about, err)
		case tc.want != "" && (!errors.As(err, &missing) || missing.Error() != tc.want || missing.Root != src || !errors.Is(err, fs.ErrNotExist)):
			t.Errorf("%s: error %v, want %s", tc.about, err, tc.want)
		}
	}
}
