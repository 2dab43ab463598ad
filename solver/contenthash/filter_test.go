package contenthash

import (
	"testing"

	"slipway/solver/tree"
)

// testTree has the file /d/e/f, the file /ab and the link /l to d.
func testTree(t *testing.T) *tree.Node {
	t.Helper()
	e := tree.Edit(nil)
	if _, err := e.MkdirAll("d/e", tree.Meta{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]*tree.Node{
		"d/e/f": tree.NewFile(tree.Meta{Mode: 0o644}, tree.Blob{}),
		"ab":    tree.NewFile(tree.Meta{Mode: 0o644}, tree.Blob{}),
		"l":     tree.NewSymlink(tree.Meta{Mode: 0o777}, "d"),
	} {
		if err := e.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
	return e.Tree()
}

// TestMissing checks which required paths BuildKit does not find, for the
// selectors of COPY --parents.
func TestMissing(t *testing.T) {
	for _, tc := range []struct {
		path, include string
		required      []string
		want          string
	}{
		{"/", "d/e", []string{"/d/e"}, ""},
		{"/d", "e", []string{"/d/e"}, ""},
		{"d", "e/f", []string{"/d/e/f"}, ""},
		{"/", "a*", []string{"/a"}, ""}, // a name that begins like it is enough
		{"/", "", []string{"/"}, "/"},
		{"/d", "", []string{"/d"}, "/d"},
		{"/ab", "", []string{"/ab"}, "/ab"},
		{"/d", "x", []string{"/d/x"}, "/d/x"},
		{"/none", "x", []string{"/none/x"}, "/none/x"},
		{"/l", "e", []string{"/l/e"}, "/l/e"},
		{"/", "l/e", []string{"/l/e"}, "/l/e"},
		{"/", "ab", []string{"/ab", "/d", "/x"}, "/d"},
		{"/", "d", nil, ""},
	} {
		got, err := Missing(testTree(t), Selector{Path: tc.path, Include: []string{tc.include}, Required: tc.required, FollowLinks: true})
		if err != nil || got != tc.want {
			t.Errorf("Missing(%q, include %q, required %q) = %q, %v; want %q", tc.path, tc.include, tc.required, got, err, tc.want)
		}
	}
	if got, err := Missing(testTree(t), Selector{Path: "/x", Required: []string{"/x"}}); err != nil || got != "" {
		t.Errorf("Missing without patterns = %q, %v; want none", got, err)
	}
	if _, err := Missing(testTree(t), Selector{Path: "/", Include: []string{"["}, Required: []string{"/x"}}); err == nil {
		t.Error("Missing with the pattern [ has no error")
	}
}
