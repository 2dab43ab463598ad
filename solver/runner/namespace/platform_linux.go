package namespace

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// machine describes the program header of an architecture.
type machine struct {
	arch  string // GOARCH name
	elf   elf.Machine
	class elf.Class
	data  elf.Data
	qemu  string // QEMU's name
}

func machines() []machine {
	return []machine{
		{"386", elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB, "i386"},
		{"amd64", elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB, "x86_64"},
		{"arm", elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB, "arm"},
		{"arm64", elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB, "aarch64"},
		{"loong64", elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB, "loongarch64"},
		{"mips64", elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2MSB, "mips64"},
		{"mips64le", elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2LSB, "mips64el"},
		{"ppc64", elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB, "ppc64"},
		{"ppc64le", elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB, "ppc64le"},
		{"riscv64", elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB, "riscv64"},
		{"s390x", elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB, "s390x"},
	}
}

// header returns the first bytes of a program for the machine.
func (m machine) header() []byte {
	b := make([]byte, 128) // as many as the kernel compares
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA], b[elf.EI_VERSION] = byte(m.class), byte(m.data), byte(elf.EV_CURRENT)
	var order binary.ByteOrder = binary.LittleEndian
	if m.data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	order.PutUint16(b[16:], uint16(elf.ET_EXEC))
	order.PutUint16(b[18:], uint16(m.elf))
	order.PutUint32(b[20:], uint32(elf.EV_CURRENT))
	return b
}

// runs returns an error if steps of a platform cannot run on this machine. They can run
// if the processor supports the platform, or if the kernel has an emulator for it
// (binfmt_misc).
func (r *Runner) runs(p ocispecs.Platform) error {
	here := platforms.Normalize(platforms.DefaultSpec())
	if p.OS == "" {
		return nil
	}
	p = platforms.Normalize(p)
	if p.OS != here.OS {
		return fmt.Errorf("steps of %s cannot run on %s", platforms.Format(p), platforms.Format(here))
	}
	if p.Architecture == here.Architecture && p.Architecture == "amd64" {
		return level(p, here)
	}
	if platforms.Only(here).Match(p) {
		return nil
	}
	for _, m := range machines() {
		if m.arch == p.Architecture {
			if r.emulates(m) {
				return nil
			}
			return fmt.Errorf("steps of %s cannot run on this machine, which is %s: install QEMU for it as a user program that the kernel starts (Debian: apt-get install qemu-user-static binfmt-support; with Docker: docker run --privileged --rm tonistiigi/binfmt --install %s), or build for %[2]s",
				platforms.Format(p), platforms.Format(here), m.arch)
		}
	}
	return fmt.Errorf("steps of %s cannot run on this machine, which is %s", platforms.Format(p), platforms.Format(here))
}

// level returns an error if this processor lacks features of an amd64 variant. The
// levels are defined by https://gitlab.com/x86-psABIs/x86-64-ABI.
func level(p, here ocispecs.Platform) error {
	x := cpu.X86
	has := map[string]bool{"": true, "v1": true}
	has["v2"] = x.HasSSE3 && x.HasSSSE3 && x.HasSSE41 && x.HasSSE42 && x.HasPOPCNT && x.HasCX16
	has["v3"] = has["v2"] && x.HasAVX && x.HasAVX2 && x.HasBMI1 && x.HasBMI2 && x.HasFMA && x.HasOSXSAVE
	has["v4"] = has["v3"] && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD && x.HasAVX512DQ && x.HasAVX512VL
	if !has[p.Variant] {
		return fmt.Errorf("steps of %s cannot run on this %s machine: its processor lacks what they need", platforms.Format(p), platforms.Format(here))
	}
	return nil
}

// emulates reports whether the kernel has an emulator for a machine. It executes a file
// that contains only a header. Without an emulator, the kernel reports an unknown
// format. This works even if binfmt_misc is not mounted here.
func (r *Runner) emulates(m machine) bool {
	dir, err := os.MkdirTemp(filepath.Join(r.dir, "run"), "program-")
	if err != nil {
		return true // the step will report the error
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "program")
	if err := os.WriteFile(file, m.header(), 0o700); err != nil {
		return true
	}
	return !errors.Is(exec.Command(file).Run(), unix.ENOEXEC)
}
