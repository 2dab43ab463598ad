package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestServeArgs checks the conversion of the flags and of a configuration file that BuildKit's
// tests use.
func TestServeArgs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "buildkitd.toml")
	const config = `
insecure-entitlements = ["network.host", "security.insecure"]
provenanceEnvDir = "/tmp/env"

[registry."docker.io"]
mirrors=["localhost:1234"]

[worker.oci]
networkMode = "host"

[history]
  maxEntries = 0

[cdi]
  specDirs = ["/tmp/cdi"]

[otel]
  socketPath = "/tmp/otel.sock"
`
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := serveArgs([]string{
		"--oci-worker=true", "--containerd-worker=false", "--oci-worker-gc=false", "--oci-worker-labels=a=true",
		"--config=" + file, "--root", "/tmp/root", "--addr", "unix:///tmp/sock", "--debug",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"serve", "--addr", "unix:///tmp/sock", "--state", "/tmp/root/slipway", "--keep-storage", "unlimited",
		"--allow-insecure-entitlement", "network.host", "--allow-insecure-entitlement", "security.insecure",
		"--no-history", "--provenance-env-dir", "/tmp/env", "--mirror", "docker.io=http://localhost:1234", "--cdi-spec-dir", "/tmp/cdi",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if got, err := serveArgs([]string{"--no-such-flag"}); err == nil {
		t.Errorf("an unknown flag gives the arguments %q, want an error", got)
	}
}
