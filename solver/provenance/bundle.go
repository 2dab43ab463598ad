package provenance

import (
	"fmt"
	"net/url"
	"strings"

	slsa "github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/common"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/opencontainers/go-digest"

	"slipway/solver/llbsource"
)

// bundleURL returns the locator of the bundle that contains a commit, or "".
func bundleURL(g types.GitSource) string {
	if g.Bundle == nil {
		return ""
	}
	return g.Bundle.URL
}

// bundleResource returns the blob from which the commit of a git source was read. Its URL names the
// repository.
func bundleResource(g types.GitSource) (resource, error) {
	ref, isLayout, ok := llbsource.BlobReference(bundleURL(g))
	_, hash, _ := strings.Cut(ref, "@")
	d := digest.Digest(hash)
	if err := d.Validate(); !ok || err != nil {
		return resource{}, fmt.Errorf("invalid git bundle %q", bundleURL(g))
	}
	uri, err := blobURL(types.ImageBlobSource{Ref: ref, Digest: d, Local: isLayout}, "ref_type=bundle&vcs_url="+escapeQualifier(g.URL))
	return resource{URI: uri, Digest: slsa.DigestSet{d.Algorithm().String(): d.Encoded()}}, err
}

// escapeQualifier escapes the value of a qualifier in a package URL, in which colons stay unchanged.
func escapeQualifier(v string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(v), "+", "%20"), "%3A", ":")
}
