package launch

import (
	"runtime"
	"strings"
	"testing"
)

// TestForeignProgram checks that the error for a program of another architecture says how to
// install an emulator.
func TestForeignProgram(t *testing.T) {
	for _, m := range Machines() {
		err := explainMachine(string(m.Header()))
		for _, want := range []string{"program for " + m.Arch + ", and this machine is " + runtime.GOARCH, "apt-get install qemu-user-static", "--install " + m.Arch + ")"} {
			if m.Arch != runtime.GOARCH && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", m.Arch, err, want)
			}
		}
	}
}
