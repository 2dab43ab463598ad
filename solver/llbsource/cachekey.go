package llbsource

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
)

// Image, Download and Git have cache keys that also appear in BuildKit's caches. A local
// directory has no such key, because only its content identifies it.
var (
	_ solver.NamedSource = (*Image)(nil)
	_ solver.NamedSource = (*Download)(nil)
	_ solver.NamedSource = (*Git)(nil)
)

// CacheKey implements [solver.NamedSource]. The key covers the resolved digest, the
// platform and the number of layers.
func (i *Image) CacheKey() (string, error) {
	p := i.platform
	var limit *int
	if i.limit > 0 {
		limit = &i.limit
	}
	return jsonDigest(struct {
		Digest     digest.Digest
		OS         string
		Arch       string
		Variant    string   `json:",omitempty"`
		OSVersion  string   `json:",omitempty"`
		OSFeatures []string `json:",omitempty"`
		Limit      *int     `json:",omitempty"`
	}{i.resolved, p.OS, p.Architecture, p.Variant, p.OSVersion, p.OSFeatures, limit})
}

func jsonDigest(v any) (string, error) {
	data, err := json.Marshal(v)
	return digest.FromBytes(data).String(), err
}

// httpHeader is a request header in the cache key of a download.
type httpHeader struct{ Name, Value string }

// CacheKey implements [solver.NamedSource]. The key covers the content, the name and
// the metadata of the file. It includes the Last-Modified time only if the definition
// has no checksum.
func (d *Download) CacheKey() (string, error) {
	a := d.op.Attrs
	key := struct {
		Filename         string
		Perm, UID, GID   int
		Checksum         digest.Digest
		LastModTime      string       `json:",omitempty"`
		AuthHeaderSecret string       `json:",omitempty"`
		Header           []httpHeader `json:",omitempty"`
	}{Filename: d.Name, Checksum: d.Blob.Digest, AuthHeaderSecret: a[pb.AttrHTTPAuthHeaderSecret]}
	if a[pb.AttrHTTPChecksum] == "" && d.LastModified != nil {
		key.LastModTime = d.LastModified.Format(http.TimeFormat)
	}
	for name, to := range map[string]*int{pb.AttrHTTPPerm: &key.Perm, pb.AttrHTTPUID: &key.UID, pb.AttrHTTPGID: &key.GID} {
		if v := a[name]; v != "" {
			n, err := strconv.ParseInt(v, 0, 64)
			if err != nil {
				return "", err
			}
			*to = int(n)
		}
	}
	for k, v := range a {
		if name, ok := strings.CutPrefix(k, pb.AttrHTTPHeaderPrefix); ok {
			if name = http.CanonicalHeaderKey(name); name == "Accept" || name == "User-Agent" {
				key.Header = append(key.Header, httpHeader{name, v})
			}
		}
	}
	slices.SortFunc(key.Header, func(a, b httpHeader) int { return strings.Compare(a.Name, b.Name) })
	return jsonDigest(key)
}

// CacheKey implements [solver.NamedSource]. The key covers the commit and the selected
// part of the repository.
func (g *Git) CacheKey() (string, error) {
	key := g.object
	if g.commit != "" {
		key = g.commit
	}
	if g.o.keepGitDir {
		key += ".git#" + g.ref
	}
	if g.o.subdir != "" {
		key += ":" + g.o.subdir
	}
	if g.o.skipSubmodules {
		key += "(skip-submodules)"
	}
	if g.o.commitTimes {
		key += "(mtime=commit)"
	}
	if g.o.asBundle {
		key += "(bundle)"
	}
	return key, nil
}
