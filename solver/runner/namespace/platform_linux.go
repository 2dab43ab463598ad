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

// machine describes the ELF header of programs for an architecture.
type machine struct {
	arch  string // GOARCH name
	elf   elf.Machine
	class elf.Class
	data  elf.Data
	qemu  string // QEMU's name of the architecture
}

// machines returns the architectures for which the kernel may have an emulator.
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

// header returns the start of an ELF program for the architecture: enough bytes for
// binfmt_misc to recognize it.
func (m machine) header() []byte {
	b := make([]byte, 128) // the kernel compares at most this many bytes
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

// checkPlatform returns an error if this machine cannot run steps for a platform. A
// machine can run them if its CPU supports the platform, or if the kernel has an
// emulator for the platform (binfmt_misc).
func (r *Runner) checkPlatform(p ocispecs.Platform) error {
	here := platforms.Normalize(platforms.DefaultSpec())
	if p.OS == "" {
		return nil
	}
	p = platforms.Normalize(p)
	if p.OS != here.OS {
		return fmt.Errorf("steps of %s cannot run on %s", platforms.Format(p), platforms.Format(here))
	}
	if p.Architecture == here.Architecture && p.Architecture == "amd64" {
		return checkLevel(p, here)
	}
	if platforms.Only(here).Match(p) {
		return nil
	}
	for _, m := range machines() {
		if m.arch == p.Architecture {
			if r.hasEmulator(m) {
				return nil
			}
			return fmt.Errorf("steps of %s cannot run on this machine, which is %s: install QEMU for it as a user program that the kernel starts (Debian: apt-get install qemu-user-static binfmt-support; with Docker: docker run --privileged --rm tonistiigi/binfmt --install %s), or build for %[2]s",
				platforms.Format(p), platforms.Format(here), m.arch)
		}
	}
	return fmt.Errorf("steps of %s cannot run on this machine, which is %s", platforms.Format(p), platforms.Format(here))
}

// checkLevel returns an error if the CPU of this machine lacks features that the platform p
// requires. An amd64 variant such as v3 requires such features. The parameter here is the
// platform of this machine, for the error text. The variants are defined by
// https://gitlab.com/x86-psABIs/x86-64-ABI.
func checkLevel(p, here ocispecs.Platform) error {
	x := cpu.X86
	has := map[string]bool{"": true, "v1": true}
	has["v2"] = x.HasSSE3 && x.HasSSSE3 && x.HasSSE41 && x.HasSSE42 && x.HasPOPCNT && x.HasCX16
	has["v3"] = has["v2"] && x.HasAVX && x.HasAVX2 && x.HasBMI1 && x.HasBMI2 && x.HasFMA && x.HasOSXSAVE
	has["v4"] = has["v3"] && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD && x.HasAVX512DQ && x.HasAVX512VL
	if !has[p.Variant] {
		return fmt.Errorf("steps of %s cannot run on this %s machine: its CPU lacks features of that variant", platforms.Format(p), platforms.Format(here))
	}
	return nil
}

// hasEmulator reports whether the kernel starts programs for an architecture in an emulator.
// To find out, it executes a file that contains only an ELF header, which fails with ENOEXEC
// if no emulator exists. Unlike reading /proc/sys/fs/binfmt_misc, this works even if
// binfmt_misc is not mounted.
func (r *Runner) hasEmulator(m machine) bool {
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
