package namespace

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// callTables contains the names and numbers of the system calls of each ABI. The first line
// lists the ABIs. Every other line contains the name of a system call and its numbers in each
// ABI, separated by commas, or "-" for an ABI that lacks the call. A package with a map per ABI
// would delay the start of every command by 1 ms.
//
//go:embed calls.txt
var callTables string

// abi is an ABI of the kernel, to which system calls belong.
type abi struct {
	name  string         // GOARCH, or x32
	audit uint32         // AUDIT_ARCH_* constant, the architecture in struct seccomp_data
	mask  uint32         // bits that system call numbers have in addition
	calls map[int]string // names of the system calls, by number
}

// nativeCalls returns the system calls of an ABI, given its name: a GOARCH or x32.
func nativeCalls(name string) (*abi, error) {
	a := &abi{name: name, calls: map[int]string{}}
	switch name {
	case "386":
		a.audit = unix.AUDIT_ARCH_I386
	case "amd64":
		a.audit = unix.AUDIT_ARCH_X86_64
	case "arm":
		a.audit = unix.AUDIT_ARCH_ARM
	case "arm64":
		a.audit = unix.AUDIT_ARCH_AARCH64
	case "loong64":
		a.audit = unix.AUDIT_ARCH_LOONGARCH64
	case "ppc64le":
		a.audit = unix.AUDIT_ARCH_PPC64LE
	case "riscv64":
		a.audit = unix.AUDIT_ARCH_RISCV64
	case "s390x":
		a.audit = unix.AUDIT_ARCH_S390X
	case "x32":
		a.audit, a.mask = unix.AUDIT_ARCH_X86_64, 0x40000000 // __X32_SYSCALL_BIT
	default:
		return nil, fmt.Errorf("unsupported architecture %s: its system calls are unknown, so they cannot be filtered", name)
	}
	head, rest, _ := strings.Cut(callTables, "\n")
	column := slices.Index(strings.Fields(head), name)
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		for cell := range strings.SplitSeq(fields[column], ",") {
			if number, err := strconv.Atoi(cell); err == nil {
				a.calls[number] = fields[0]
			}
		}
	}
	return a, nil
}
