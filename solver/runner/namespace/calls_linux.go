package namespace

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// callTables contains the names and numbers of system calls for the architectures that
// go-seccomp-bpf/arch does not support. The first line lists the architectures. Every other
// line contains the name of a system call and its number on each architecture, or "-" for an
// architecture that lacks the call.
//
//go:embed calls.txt
var callTables string

// nativeCalls returns the names and numbers of the system calls of an architecture,
// given its GOARCH name.
func nativeCalls(goarch string) (*arch.Info, error) {
	abi := &arch.Info{Name: goarch}
	switch goarch {
	case "loong64":
		abi.ID = unix.AUDIT_ARCH_LOONGARCH64
	case "ppc64le":
		abi.ID = unix.AUDIT_ARCH_PPC64LE
	case "riscv64":
		abi.ID = unix.AUDIT_ARCH_RISCV64
	case "s390x":
		abi.ID = unix.AUDIT_ARCH_S390X
	default:
		info, err := arch.GetInfo(goarch)
		if err != nil {
			return nil, fmt.Errorf("unsupported architecture %s: its system calls are unknown, so they cannot be filtered", goarch)
		}
		return info, nil
	}
	abi.SyscallNames, abi.SyscallNumbers = map[string]int{}, map[int]string{}
	head, rest, _ := strings.Cut(callTables, "\n")
	column := slices.Index(strings.Fields(head), goarch)
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if number, err := strconv.Atoi(fields[column]); err == nil {
			abi.SyscallNames[fields[0]], abi.SyscallNumbers[number] = number, fields[0]
		}
	}
	return abi, nil
}
