package contenthash

import (
	"testing"

	"slipway/solver/tree"
)

// testTree returns a tree with the files /d/e/f and /ab and the symbolic link /l to d.
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

// TestMissing checks which required paths Missing reports for selectors of COPY --parents.
// The results must be the same as in BuildKit.
func TestMissing(t *testing.T) {
	for _, tc := range []struct {
		path, include string
		required      []string
		want          string
	}{
		{"/", "d/e", []string{"/d/e"}, ""},
		{"/d", "e", []string{"/d/e"}, ""},
		{"d", "e/f", []string{"/d/e/f"}, ""},
		{"/", "a*", []string{"/a"}, ""}, // a name with this prefix is enough
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
		t.Errorf("Missing without patterns = %q, %v; want no path", got, err)
	}
	if _, err := Missing(testTree(t), Selector{Path: "/", Include: []string{"["}, Required: []string{"/x"}}); err == nil {
		t.Error("Missing with the pattern [ returns no error")
	}
}

// TestMissingLinks checks that Missing reports a symbolic link without a target only if the
// selector follows the link. A selector never follows links below a matching directory.
func TestMissingLinks(t *testing.T) {
	e := tree.Edit(tree.Empty())
	for name, target := range map[string]string{"none": "nowhere", "self": "self", "good": "d", "d/none": "nowhere"} {
		if _, err := e.MkdirAll("d", tree.Meta{Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		if err := e.Put(name, tree.NewSymlink(tree.Meta{Mode: 0o777}, target)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		s     Selector
		want  string
		fails bool
	}{
		{s: Selector{Path: "/", Include: []string{"none"}, FollowLinks: true}, want: "/none"},
		{s: Selector{Path: "/none", Wildcard: true, FollowLinks: true}, want: "/none"},
		{s: Selector{Path: "/", Exclude: []string{"self"}, FollowLinks: true}, want: "/none"},
		{s: Selector{Path: "/", Exclude: []string{"self", "none"}, FollowLinks: true}},
		{s: Selector{Path: "/", Include: []string{"none"}}},
		{s: Selector{Path: "/", Include: []string{"good", "d"}, FollowLinks: true}},
		{s: Selector{Path: "/none", FollowLinks: true}}, // without patterns
		{s: Selector{Path: "/", Include: []string{"self"}, FollowLinks: true}, fails: true},
	} {
		got, err := Missing(e.Tree(), tc.s)
		if got != tc.want || (err != nil) != tc.fails {
			t.Errorf("Missing(%+v) = %q, %v; want %q, error %t", tc.s, got, err, tc.want, tc.fails)
		}
	}
}
