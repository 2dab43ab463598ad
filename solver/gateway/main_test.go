package gateway_test

import (
	"os"
	"testing"

	"slipway/internal/offline"
)

func TestMain(m *testing.M) {
	offline.DisableLookups()
	os.Exit(m.Run())
}
