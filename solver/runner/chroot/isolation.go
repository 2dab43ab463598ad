package chroot

import (
	"fmt"
	"slices"
	"strings"
)

// Isolation is a kind of isolation that a step can request, and that this runner does not
// provide.
type Isolation string

// These are the kinds of isolation that a user can accept to be missing.
const (
	Network  Isolation = "network"  // a step without network has the network of the builder
	Hostname Isolation = "hostname" // a step sees the host name of the builder
	Limits   Isolation = "limits"   // a step can use all resources of the builder
)

// ParseIsolations returns the kinds of isolation with the given names.
func ParseIsolations(names []string) ([]Isolation, error) {
	all := []Isolation{Network, Hostname, Limits}
	var list []Isolation
	for _, name := range names {
		if !slices.Contains(all, Isolation(name)) {
			return nil, fmt.Errorf("unknown isolation %q (use %s)", name, strings.Join([]string{string(Network), string(Hostname), string(Limits)}, ", "))
		}
		list = append(list, Isolation(name))
	}
	return list, nil
}
