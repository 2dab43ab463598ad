//go:build integration

package rig

import (
	"os"
	"strings"
	"testing"
)

// TestLifecycle checks that a rig can build with buildkitd's built-in frontend, and that Close
// stops the processes of the rig and removes its files.
func TestLifecycle(t *testing.T) {
	r, err := Start(t.Context(), Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	res, err := r.Build(t.Context(), Request{Dockerfile: "FROM busybox\nRUN echo from a container\n", Image: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, r.DaemonLog(2000))
	}
	var log strings.Builder
	for _, l := range res.Logs {
		log.Write(l)
	}
	if !strings.Contains(log.String(), "from a container") {
		t.Errorf("log of the build: %q, vertices %q", log.String(), res.Names())
	}
	if fi, err := os.Stat(res.Archive); err != nil || fi.Size() == 0 {
		t.Errorf("archive: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.Dir); !os.IsNotExist(err) {
		t.Errorf("%s still exists", r.Dir)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), r.Dir) {
		t.Errorf("mounts are left:\n%s", mounts)
	}
}
