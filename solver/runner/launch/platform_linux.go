package launch

import (
	"debug/elf"
	"encoding/binary"
	"fmt"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/cpu"
)

// Machine describes the ELF header of programs for an architecture.
type Machine struct {
	Arch  string // GOARCH name
	ELF   elf.Machine
	Class elf.Class
	Data  elf.Data
}

// Machines returns the architectures for which the kernel may have an emulator.
func Machines() []Machine {
	return []Machine{
		{"386", elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB},
		{"amd64", elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB},
		{"arm", elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB},
		{"arm64", elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB},
		{"loong64", elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB},
		{"mips64", elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2MSB},
		{"mips64le", elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2LSB},
		{"ppc64", elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB},
		{"ppc64le", elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB},
		{"riscv64", elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB},
		{"s390x", elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB},
	}
}

// Header returns the start of an ELF program for the architecture: enough bytes for
// binfmt_misc to recognize it.
func (m Machine) Header() []byte {
	b := make([]byte, 128) // the kernel compares at most this many bytes
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA], b[elf.EI_VERSION] = byte(m.Class), byte(m.Data), byte(elf.EV_CURRENT)
	var order binary.ByteOrder = binary.LittleEndian
	if m.Data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	order.PutUint16(b[16:], uint16(elf.ET_EXEC))
	order.PutUint16(b[18:], uint16(m.ELF))
	order.PutUint32(b[20:], uint32(elf.EV_CURRENT))
	return b
}

// CheckPlatform returns an error if this machine cannot run steps for a platform: if its
// operating system is another one, or if its CPU lacks features that the platform requires.
// For another architecture, CheckPlatform returns no error: the kernel may have an emulator
// (binfmt_misc), and the programs may be for this machine. Otherwise, the step fails.
func CheckPlatform(p ocispecs.Platform) error {
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
	return nil
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
