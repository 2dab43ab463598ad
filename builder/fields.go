package builder

import (
	"fmt"
	"strings"

	csvvalue "github.com/tonistiigi/go-csvvalue"

	"github.com/moby/buildkit/client"
)

// fields splits the value of a flag, such as type=local,dest=DIR, into keys and values.
// Like BuildKit's clients, it parses the value as a line of CSV and converts keys to
// lower case.
func fields(value string) (map[string]string, error) {
	list, err := csvvalue.Fields(value, nil)
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for _, f := range list {
		k, v, ok := strings.Cut(f, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not KEY=VALUE", f)
		}
		m[strings.ToLower(strings.TrimSpace(k))] = v
	}
	return m, nil
}

// ParseCache parses a value of --cache-to or --cache-from. The value is either type=TYPE
// followed by other attributes, or a list of image names. An image name is short for
// type=registry,ref=NAME.
func ParseCache(value string) ([]client.CacheOptionsEntry, error) {
	if !strings.Contains(value, "=") {
		names, err := csvvalue.Fields(value, nil)
		if err != nil {
			return nil, fmt.Errorf("invalid cache %q: %w", value, err)
		}
		var list []client.CacheOptionsEntry
		for _, name := range names {
			list = append(list, client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": name}})
		}
		return list, nil
	}
	attrs, err := fields(value)
	if err != nil {
		return nil, fmt.Errorf("invalid cache %q: %w", value, err)
	}
	e := client.CacheOptionsEntry{Type: attrs["type"], Attrs: attrs}
	if e.Type == "" {
		return nil, fmt.Errorf("invalid cache %q: it has no type=TYPE, such as local or registry", value)
	}
	delete(attrs, "type")
	return []client.CacheOptionsEntry{e}, nil
}
