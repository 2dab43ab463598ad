//go:build integration

package daemon

import (
	"testing"

	"slipway/integration/rig"
	"slipway/solver/runner/chroot"
	"slipway/solver/runner/namespace"
)

// References to our frontend image and to upstream's frontend image, for use in a # syntax
// line.
const (
	ours     = rig.Ours
	upstream = rig.Upstream
)

// shared is the BuildKit daemon and registry that all tests share, because starting them takes
// seconds. Only TestMain sets it.
var shared *rig.Rig

func TestMain(m *testing.M) {
	namespace.Main() // these run and exit if this is a child process of a build
	chroot.Main()
	rig.Main(m, func(r *rig.Rig) { shared = r })
}
