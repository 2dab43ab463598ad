package provenance

import (
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
)

// TestBundleResource checks that a commit from a bundle has two dependencies: the commit and the blob.
func TestBundleResource(t *testing.T) {
	hash := strings.Repeat("1", 64)
	commit := types.GitSource{URL: "https://example.com/a b.git#main", Commit: strings.Repeat("2", 40)}
	for locator, want := range map[string]string{
		"docker-image+blob://example.com/x/y@sha256:" + hash: "pkg:docker/example.com/x/y?digest=sha256:" + hash + "&ref_type=bundle&vcs_url=https:%2F%2Fexample.com%2Fa%20b.git%23main",
		"oci-layout+blob://not/real@sha256:" + hash:          "pkg:oci/not/real?digest=sha256:" + hash + "&ref_type=bundle&vcs_url=https:%2F%2Fexample.com%2Fa%20b.git%23main",
	} {
		commit.Bundle = &types.GitBundle{URL: locator}
		c := &Capture{sources: types.Sources{Git: []types.GitSource{commit}}}
		list, err := c.dependencies()
		if err != nil || len(list) != 2 {
			t.Fatalf("%s: got %+v, %v, want two dependencies", locator, list, err)
		}
		if got := list[0]; got.URI != commit.URL || got.Digest["sha1"] != commit.Commit {
			t.Errorf("%s: got %+v, want the commit", locator, got)
		}
		if got := list[1]; got.URI != want || got.Digest["sha256"] != hash {
			t.Errorf("%s: got %+v, want %s", locator, got, want)
		}
	}
	for _, locator := range []string{"https://example.com/x", "docker-image+blob://example.com/x"} {
		commit.Bundle = &types.GitBundle{URL: locator}
		if _, err := (&Capture{sources: types.Sources{Git: []types.GitSource{commit}}}).dependencies(); err == nil {
			t.Errorf("%s: got no error", locator)
		}
	}
}
