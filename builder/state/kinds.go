package state

import (
	"fmt"
	"slices"
	"strings"

	"slipway/solver/diskcache"
)

// Kinds of entries of the state directory, the values of Entry.Kind. Package diskcache
// defines further kinds.
const (
	KindMount    = "exec.cachemount"
	KindImage    = "image"    // stored images; only slipway image rm removes them
	KindInternal = "internal" // layers prepared for runners and outputs, and unreferenced data
)

// kinds returns the kinds of entries in the order in which a prune removes them. Entries that
// are cheap to recreate come first: internal layers are derived from other entries, local
// files are read again, images are fetched again, and results are built again. Cache mounts
// come last, because they contain data from many builds.
func kinds() []string {
	return []string{KindInternal, diskcache.KindLocal, diskcache.KindSource, diskcache.KindResult, KindMount}
}

// ParseKind returns name unchanged, or an error if name is not a kind of entries that can
// be pruned.
func ParseKind(name string) (string, error) {
	if !slices.Contains(kinds(), name) {
		return "", fmt.Errorf("unknown type %q (use %s)", name, strings.Join(kinds(), ", "))
	}
	return name, nil
}
