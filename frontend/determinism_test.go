package frontend

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"

	"slipway/internal/fakegateway"
	"slipway/internal/slowtest"
)

// render returns the result of a build as text: the metadata and the operations for each
// platform, or the error with its locations.
func render(t *testing.T, c *fakegateway.Client) string {
	t.Helper()
	res, err := Build(t.Context(), c)
	if err != nil {
		return fmt.Sprintf("%v\n%+v", err, errdefs.Sources(err))
	}
	out := ""
	for _, k := range slices.Sorted(maps.Keys(res.Metadata)) {
		out += fmt.Sprintf("%s %s\n", k, res.Metadata[k])
	}
	refs := maps.Clone(res.Refs)
	if res.Ref != nil {
		refs = map[string]client.Reference{"": res.Ref}
	}
	for _, k := range slices.Sorted(maps.Keys(refs)) {
		req := fakegateway.Request(refs[k])
		def, err := json.Marshal(req.Definition)
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintf("%q %s %v\n", k, def, req.CacheImports)
	}
	return out
}

// TestDeterminism checks that repeated builds have identical results, byte for byte. Each build
// runs a hundred times, with one and with several processors, and with the options in different
// orders. Only the order of requests to the builder may vary.
func TestDeterminism(t *testing.T) {
	slowtest.Skip(t, "repeats builds a hundred times")
	opts := map[string]string{
		"platform": "linux/arm64,linux/amd64,windows/amd64", "no-cache": "x,y", "add-hosts": "a=1.2.3.4,b=::1",
		"build-arg:A": "1", "build-arg:B": "2", "build-arg:HTTP_PROXY": "p", "build-arg:http_proxy": "q",
		"label:a": "1", "label:b": "2", "label:c": "3", "context:files": "local:dir", "context:b": "docker-image://b2",
		"context:b::linux/arm64": "docker-image://b3", "build-arg:SOURCE_DATE_EPOCH": "1", "cache-from": "r1,r2",
	}
	for _, text := range []string{
		"ARG A B\nFROM a AS x\nLABEL z=1 y=2 x=3\nEXPOSE 1 2 3\nVOLUME /a /b\nFROM b AS y\nARG B A\nRUN x\nCOPY --from=x --link c d\nCOPY --from=files e f\nCOPY g <<E h\nE\n",
		"FROM a\nRUN --mount=from=m1,target=/a --mount=from=m2,target=/b --mount=type=cache,target=/c --mount=type=secret,id=s x\n",
		"FROM a\nCOPPY a b\nRUNN c\n",
		"ARG TARGETARCH\nFROM a\nARG TARGETARCH\nUSER ${NONE:?no $TARGETARCH}\n",
		"FROM --platform=$TARGETPLATFORM a AS x\nCOPY --from=y a b\nFROM a AS y\nCOPY --from=x a b\n",
	} {
		run := func(i int) string {
			shuffled := map[string]string{}
			for _, k := range rotate(slices.Sorted(maps.Keys(opts)), i) {
				shuffled[k] = opts[k]
			}
			c := fakegateway.New(text, shuffled)
			c.Files[".dockerignore"] = "a\n!b\n"
			return render(t, c)
		}
		first := run(0)
		for _, procs := range []int{1, 8} {
			before := runtime.GOMAXPROCS(procs)
			for i := range 50 {
				if again := run(i); again != first {
					t.Errorf("%q: a repeated build differs:\n%s\nfirst:\n%s", text, again, first)
					break
				}
			}
			runtime.GOMAXPROCS(before)
		}
	}
}

// rotate returns a copy of a list in which the given number of elements is moved from the start
// to the end.
func rotate(list []string, by int) []string {
	by %= len(list)
	return append(slices.Clone(list[by:]), list[:by]...)
}
