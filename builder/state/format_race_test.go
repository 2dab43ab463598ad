package state

import (
	"sync"
	"testing"
	"time"
)

// TestConcurrentFirstBuilds checks that builds can start at the same time in a new state directory.
func TestConcurrentFirstBuilds(t *testing.T) {
	for range 100 {
		dir := t.TempDir()
		start := make(chan struct{})
		var builds sync.WaitGroup
		for range 4 {
			builds.Go(func() {
				<-start
				d, err := Open(dir, time.Now)
				if err != nil {
					t.Error(err)
					return
				}
				release, _, err := d.HoldForBuild(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				release()
			})
		}
		close(start)
		builds.Wait()
	}
}
