package remote

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck checks which daemon addresses and which combinations of TLS files Check
// accepts.
func TestCheck(t *testing.T) {
	for want, b := range map[string]Builder{
		"":                                    {Address: "unix:///run/x"},
		"builder unix:// has no path":         {Address: "unix://"},
		"builder tcp://x has no port":         {Address: "tcp://x"},
		"builder docker-container:// has no":  {Address: "docker-container://"},
		`invalid builder address "mine"`:      {Address: "mine"},
		"builder ssh://x: unknown scheme ssh": {Address: "ssh://x"},
		"builder unix:///x: TLS is for tcp":   {Address: "unix:///x", ServerName: "x"},
		"a certificate of the client needs":   {Address: "tcp://x:1", Cert: "x"},
	} {
		err := b.Check()
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", b.Address, err, want)
		}
	}
}

// TestReason checks that reason removes the text that gRPC adds to a connection error.
func TestReason(t *testing.T) {
	err := errors.New(`rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /x: connect: no such file or directory"`)
	if got, want := reason(err), "dial unix /x: connect: no such file or directory"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSharedKey checks that sharedKey returns the same key for all builds of a
// directory, so that BuildKit reuses the files.
func TestSharedKey(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if got, want := sharedKey("h", "."), sharedKey("h", dir); got != want {
		t.Errorf("a relative path: %s, want %s", got, want)
	}
	if sharedKey("h", dir) == sharedKey("h", filepath.Join(dir, "x")) || sharedKey("h", dir) == sharedKey("g", dir) {
		t.Error("two directories, or two hosts, share a key")
	}
}
