package llbsource

import (
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/tree"
)

// TestCacheKey checks that sources have the same cache keys as in BuildKit.
func TestCacheKey(t *testing.T) {
	d := digest.FromString("x")
	at := time.Date(2023, 1, 2, 3, 4, 5, 0, time.UTC)
	download := func(attrs map[string]string) *Download {
		return &Download{op: &pb.SourceOp{Attrs: attrs}, Blob: tree.Blob{Digest: d}, Name: "f", LastModified: &at}
	}
	json := func(s string) string { return digest.FromString(s).String() }
	for _, tc := range []struct {
		about  string
		source solver.NamedSource
		want   string
	}{
		{
			"image", &Image{resolved: d, digest: "of the platform", platform: ocispecs.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}},
			json(`{"Digest":"` + string(d) + `","OS":"linux","Arch":"arm","Variant":"v7"}`),
		},
		{
			"download", download(nil),
			json(`{"Filename":"f","Perm":0,"UID":0,"GID":0,"Checksum":"` + string(d) + `","LastModTime":"Mon, 02 Jan 2023 03:04:05 GMT"}`),
		},
		{
			"download that is known", download(map[string]string{pb.AttrHTTPChecksum: string(d), pb.AttrHTTPPerm: "0600", pb.AttrHTTPUID: "1", pb.AttrHTTPGID: "2"}),
			json(`{"Filename":"f","Perm":384,"UID":1,"GID":2,"Checksum":"` + string(d) + `"}`),
		},
		{"download with headers", download(map[string]string{
			pb.AttrHTTPChecksum: string(d), pb.AttrHTTPAuthHeaderSecret: "s",
			pb.AttrHTTPHeaderPrefix + "user-agent": "u", pb.AttrHTTPHeaderPrefix + "accept": "a", pb.AttrHTTPHeaderPrefix + "other": "o",
		}), json(`{"Filename":"f","Perm":0,"UID":0,"GID":0,"Checksum":"` + string(d) + `","AuthHeaderSecret":"s","Header":[{"Name":"Accept","Value":"a"},{"Name":"User-Agent","Value":"u"}]}`)},
		{"commit", &Git{o: &gitOptions{}, object: "c"}, "c"},
		{"tag", &Git{o: &gitOptions{subdir: "sub"}, object: "t", commit: "c"}, "c:sub"},
		{"options", &Git{o: &gitOptions{subdir: "sub", skipSubmodules: true, commitTimes: true}, object: "c"}, "c:sub(skip-submodules)(mtime=commit)"},
		{".git", &Git{o: &gitOptions{keepGitDir: true}, ref: "refs/tags/v1", object: "t"}, "t.git#refs/tags/v1"},
		{".git without effect", &Git{o: &gitOptions{keepGitDir: true, subdir: "sub"}, ref: "c", object: "c"}, "c.git#c:sub"},
	} {
		if got, err := tc.source.CacheKey(); err != nil || got != tc.want {
			t.Errorf("%s: %s, %v, want %s", tc.about, got, err, tc.want)
		}
	}
}
