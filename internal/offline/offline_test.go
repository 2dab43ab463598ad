package offline

import (
	"net"
	"strings"
	"testing"
)

func TestDisableLookups(t *testing.T) {
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	DisableLookups()
	if _, err := net.DefaultResolver.LookupHost(t.Context(), "host.xz"); err == nil || !strings.Contains(err.Error(), errLookup.Error()) {
		t.Errorf("got %v, want the error %v", err, errLookup)
	}
	if _, err := net.DefaultResolver.LookupHost(t.Context(), "127.0.0.1"); err != nil {
		t.Errorf("an address needs no lookup: %v", err)
	}
}
