package server

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
)

// TestFrontendCaches checks which caches the options of a frontend add to the caches of the request.
func TestFrontendCaches(t *testing.T) {
	ref := func(name string) client.CacheOptionsEntry {
		return client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": name}}
	}
	local := client.CacheOptionsEntry{Type: "local", Attrs: map[string]string{"src": "d"}}
	for _, c := range []struct {
		opts map[string]string
		want []client.CacheOptionsEntry
	}{
		{nil, []client.CacheOptionsEntry{ref("a")}},
		{map[string]string{"cache-from": "a,b,"}, []client.CacheOptionsEntry{ref("a"), ref("b")}},
		{map[string]string{"cache-imports": `[{"Type":"local","Attrs":{"src":"d"}},{"Type":"registry","Attrs":{"ref":"a"}}]`}, []client.CacheOptionsEntry{ref("a"), local}},
		{map[string]string{"cache-imports": "[", "cache-from": "b"}, []client.CacheOptionsEntry{ref("a"), ref("b")}},
	} {
		got := addFrontendCaches([]client.CacheOptionsEntry{ref("a")}, c.opts)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("options %v: caches differ (-want +got):\n%s", c.opts, diff)
		}
	}
}
