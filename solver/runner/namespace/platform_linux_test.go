package namespace

import (
	"debug/elf"
	"strings"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestPlatform checks that steps of unsupported platforms are errors before any process
// runs.
func TestPlatform(t *testing.T) {
	w := newWorld(t)
	for want, p := range map[string]ocispecs.Platform{
		"steps of linux/pdp11 cannot run on this machine": {OS: "linux", Architecture: "pdp11"},
		"steps of windows/amd64 cannot run on linux/":     {OS: "windows", Architecture: "amd64"},
	} {
		x := w.process(":")
		x.Platform = p
		if _, err := w.Run(t.Context(), x); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v", p, err)
		}
	}
	// No kernel has an emulator for this machine.
	if w.hasEmulator(machine{"none", elf.EM_M32, elf.ELFCLASS32, elf.ELFDATA2MSB, "none"}) {
		t.Error("every program can run here")
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
				t.Errorf("%s: there is no %q in %v", m.arch, want, err)
			}
		}
	}
}
