package server

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
)

// addFrontendCaches appends the caches that the options of a frontend import to a list, unless it
// contains them. Frontends name these caches in their requests. The build opens all caches when it
// starts, so that it reads the options instead. Invalid options are ignored, because the frontend
// returns an error for them.
func addFrontendCaches(list []client.CacheOptionsEntry, opts map[string]string) []client.CacheOptionsEntry {
	var more []client.CacheOptionsEntry
	if err := json.Unmarshal([]byte(opts["cache-imports"]), &more); err != nil {
		more = nil
	}
	for ref := range strings.SplitSeq(opts["cache-from"], ",") {
		if ref != "" {
			more = append(more, client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": ref}})
		}
	}
	for _, e := range more {
		equal := func(o client.CacheOptionsEntry) bool { return o.Type == e.Type && maps.Equal(o.Attrs, e.Attrs) }
		if !slices.ContainsFunc(list, equal) {
			list = append(list, e)
		}
	}
	return list
}
