package namespace

import (
	"debug/elf"
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestPlatform checks that steps for a platform that this machine cannot run fail
// before they start, and that the error says how to install an emulator.
func TestPlatform(t *testing.T) {
	w := newFixture(t)
	for want, p := range map[string]ocispecs.Platform{
		"steps of linux/pdp11 cannot run on this machine": {OS: "linux", Architecture: "pdp11"},
		"steps of windows/amd64 cannot run on linux/":     {OS: "windows", Architecture: "amd64"},
	} {
		x := w.process(":")
		x.Platform = p
		if _, err := w.Run(t.Context(), x); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: error %v, want %s", p, err, want)
		}
	}
	// No kernel has an emulator for this architecture.
	if w.hasEmulator(machine{"none", elf.EM_M32, elf.ELFCLASS32, elf.ELFDATA2MSB, "none"}) {
		t.Error("hasEmulator is true for an architecture without emulators, want false")
	}
	for _, m := range machines() {
		if w.checkPlatform(ocispecs.Platform{OS: "linux", Architecture: m.arch}) == nil {
			continue
		}
		x := w.process(":")
		x.Platform = ocispecs.Platform{OS: "linux", Architecture: m.arch}
		_, err := w.Run(t.Context(), x)
		for _, want := range []string{"steps of linux/" + m.arch, "apt-get install qemu-user-static", "--install " + m.arch} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one that contains %q", m.arch, err, want)
			}
		}
	}
}
