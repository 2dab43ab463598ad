package frontend

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"slipway/internal/fakegateway"
)

// TestSilentRegistry checks that a registry that never answers does not block a build
// forever.
func TestSilentRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fakegateway.New("FROM slow.example/image\n", nil)
		c.Before = func(ctx context.Context, call string) error {
			if call != "ResolveSourceMetadata" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		start := time.Now()
		_, err := Build(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), "no answer about image slow.example/image:latest within 2m0s") {
			t.Errorf("error %v", err)
		}
		if d := time.Since(start); d != 2*time.Minute {
			t.Errorf("ends after %s", d)
		}
	})
}
