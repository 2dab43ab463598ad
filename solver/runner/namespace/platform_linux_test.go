package namespace

import (
	"runtime"
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestPlatform runs a program of this machine in steps for other architectures, as images with a
// wrong platform contain it. Steps for another operating system fail.
func TestPlatform(t *testing.T) {
	w := newFixture(t)
	for _, m := range machines() {
		x := w.process(":")
		x.Platform = ocispecs.Platform{OS: "linux", Architecture: m.arch}
		if _, err := w.Run(t.Context(), x); err != nil {
			t.Errorf("%s: %v", m.arch, err)
		}
	}
	x := w.process(":")
	x.Platform = ocispecs.Platform{OS: "windows", Architecture: "amd64"}
	if _, err := w.Run(t.Context(), x); err == nil || !strings.HasPrefix(err.Error(), "steps of windows/amd64 cannot run on linux/") {
		t.Errorf("windows/amd64: got error %v", err)
	}
}

// TestForeignProgram checks that the error for a program of another architecture says how to
// install an emulator.
func TestForeignProgram(t *testing.T) {
	for _, m := range machines() {
		err := explainMachine(string(m.header()))
		for _, want := range []string{"program for " + m.arch + ", and this machine is " + runtime.GOARCH, "apt-get install qemu-user-static", "--install " + m.arch + ")"} {
			if m.arch != runtime.GOARCH && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", m.arch, err, want)
			}
		}
	}
}
