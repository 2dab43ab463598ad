//go:build integration

package daemon

import (
	"testing"

	"slipway/integration/rig"
	"slipway/solver/runner/namespace"
)

// The two frontends, by the reference that a # syntax line names.
const (
	ours     = rig.Ours
	upstream = rig.Upstream
)

// builder is the rig that all tests share: starting one takes seconds. It is
// set by TestMain alone.
var builder *rig.Rig

func TestMain(m *testing.M) {
	namespace.Main() // a process that a build of cmd/slipway has started ends here
	rig.Main(m, func(r *rig.Rig) { builder = r })
}
