// Package offline keeps tests from using DNS. BuildKit's package client/llb asks the SSH server
// of a git repository for its host key. Without this package, a test would wait seconds for the
// lookup of the server, and the LLB operations would depend on the server's answer.
package offline

import (
	"context"
	"errors"
	"net"
)

var errLookup = errors.New("host names are not looked up in tests")

// DisableLookups makes lookups of host names fail immediately in this process, except for
// names in /etc/hosts. Call it before the first lookup.
func DisableLookups() {
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial:     func(context.Context, string, string) (net.Conn, error) { return nil, errLookup },
	}
}
