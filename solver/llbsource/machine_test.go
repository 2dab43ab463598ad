package llbsource

import (
	"testing"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestLinuxOn checks that the default platform is Linux without a version on every system.
func TestLinuxOn(t *testing.T) {
	for want, p := range map[string]ocispecs.Platform{
		"linux/amd64":  {OS: "windows", Architecture: "amd64", OSVersion: "10.0.26100", OSFeatures: []string{"win32k"}},
		"linux/arm64":  {OS: "darwin", Architecture: "arm64", Variant: "v8"},
		"linux/arm/v7": {OS: "linux", Architecture: "arm", Variant: "v7"},
	} {
		if got := platforms.FormatAll(linuxOn(p)); got != want {
			t.Errorf("%+v: platform %s, want %s", p, got, want)
		}
	}
}
