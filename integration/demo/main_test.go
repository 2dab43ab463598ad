//go:build integration

package main

import (
	"strings"
	"testing"
)

// TestDemo checks that the demonstration prints the progress of the build and the content
// of the built image.
func TestDemo(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"resolve image config for docker-image://localhost:5000/slipway/dockerfile:1",
		"[greeting 4/4] RUN sleep 1",
		"[machine 3/3] RUN <<EOF",
		"1000:1000",
		"hello/greeting sha256:",
		`"org.opencontainers.image.title": "hello"`,
		"make push",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demonstration does not show %q", want)
		}
	}
	for _, pruned := range []string{"RUN exit 1", "missing.txt"} {
		if strings.Contains(out.String(), pruned) {
			t.Errorf("the demonstration shows %q of a stage that nothing needs", pruned)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
