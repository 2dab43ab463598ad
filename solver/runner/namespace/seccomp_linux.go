package namespace

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"slipway/solver/runner/launch"
)

// systemCalls returns the seccomp filter for steps that are not insecure, as an array of
// struct sock_filter. The filter implements Docker's default profile for a process with the
// default capabilities.
func systemCalls() ([]byte, error) {
	var caps []string
	for _, c := range launch.DefaultCapabilities() {
		caps = append(caps, "CAP_"+strings.ToUpper(c.String()))
	}
	profile, err := seccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}})
	if err != nil {
		return nil, err
	}
	abis, err := abisOf(profile)
	if err != nil {
		return nil, err
	}
	program, err := compile(profile, abis)
	if err != nil {
		return nil, err
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, i := range raw {
		out = binary.NativeEndian.AppendUint16(out, i.Op)
		out = append(out, i.Jt, i.Jf)
		out = binary.NativeEndian.AppendUint32(out, i.K)
	}
	return out, nil
}

// installFilter applies a filter from [systemCalls] to this thread, and thereby to the
// program that it executes.
func installFilter(filter []byte) error {
	const size = int(unsafe.Sizeof(unix.SockFilter{}))
	program := unix.SockFprog{Len: uint16(len(filter) / size), Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(filter)))}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// abisOf returns one system call table for each ABI of a profile: the native ABI and those to
// which programs may switch, such as x86 and x32 on amd64. On s390x, it omits the 31-bit ABI,
// whose system call numbers are unknown. The filter therefore kills programs that use this
// ABI.
func abisOf(profile *specs.LinuxSeccomp) ([]*abi, error) {
	if len(profile.Architectures) == 0 { // only the native ABI
		native, err := nativeCalls(runtime.GOARCH)
		return []*abi{native}, err
	}
	names := map[specs.Arch]string{
		specs.ArchX86_64: "amd64", specs.ArchX86: "386", specs.ArchX32: "x32", specs.ArchAARCH64: "arm64", specs.ArchARM: "arm",
		specs.ArchLOONGARCH64: "loong64", specs.ArchRISCV64: "riscv64", specs.ArchS390X: "s390x",
	}
	var list []*abi
	for _, name := range profile.Architectures {
		if name == specs.ArchS390 {
			continue
		}
		a, err := nativeCalls(cmp.Or(names[name], string(name)))
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// span is a range of system call numbers that are handled by the same code. It ends
// before the first number of the next span.
type span struct {
	first uint32
	code  []bpf.Instruction // every path through it ends with a return
}

// compile compiles a profile to a BPF program. The program selects the table of the
// call's ABI and finds the code for the call by binary search. Calls in other ABIs kill
// the process.
//
// For the kernel, x86-64 and x32 are the same architecture. System call numbers of x32
// have an additional bit, so both ABIs share a table.
func compile(profile *specs.LinuxSeccomp, abis []*abi) ([]bpf.Instruction, error) {
	def, err := verdict(profile.DefaultAction, profile.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	rules := map[string][]*specs.LinuxSyscall{}
	for i := range profile.Syscalls {
		for _, name := range profile.Syscalls[i].Names {
			rules[name] = append(rules[name], &profile.Syscalls[i])
		}
	}
	spans := map[uint32][]span{}
	for _, a := range abis {
		list, err := spansOf(rules, a, def)
		if err != nil {
			return nil, err
		}
		spans[a.audit] = append(spans[a.audit], list...)
	}
	program := []bpf.Instruction{bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_THREAD}}
	for _, id := range slices.Sorted(maps.Keys(spans)) {
		slices.SortFunc(spans[id], func(a, b span) int { return cmp.Compare(a.first, b.first) })
		table := append([]bpf.Instruction{load(numberOffset)}, search(spans[id])...)
		program = branch(bpf.JumpEqual, id, table, program)
	}
	return append([]bpf.Instruction{load(archOffset)}, program...), nil
}

// These are offsets of fields in the kernel's struct seccomp_data. Each argument in the
// struct has 64 bits in the byte order of the architecture.
const (
	numberOffset = 0
	archOffset   = 4
	argsOffset   = 16
)

// load returns the instruction that loads the 32-bit word at an offset in struct
// seccomp_data.
func load(offset uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offset, Size: 4} }

// spansOf returns the spans of all system calls of an ABI, sorted by number. Calls without a
// rule execute the instruction in the parameter def. Calls that are newer than all calls with
// a rule fail with ENOSYS, to make programs fall back to older calls.
//
// Upstream: same as runc.
func spansOf(rules map[string][]*specs.LinuxSyscall, a *abi, def bpf.Instruction) ([]span, error) {
	var list []span
	add := func(first int, code []bpf.Instruction) {
		if n := len(list); n == 0 || !slices.Equal(list[n-1].code, code) {
			list = append(list, span{uint32(first) | a.mask, code})
		}
	}
	next := 0
	for _, number := range slices.Sorted(maps.Keys(a.calls)) {
		name := a.calls[number]
		if len(rules[name]) == 0 {
			continue
		}
		code, err := callCode(rules[name], a, def)
		if err != nil {
			return nil, fmt.Errorf("rule for %s: %w", name, err)
		}
		if number > next {
			add(next, []bpf.Instruction{def})
		}
		add(number, code)
		next = number + 1
	}
	add(next, []bpf.Instruction{bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}})
	return list, nil
}

// callCode returns the code that applies rules, the rules for one system call. If none
// of them matches the arguments of the call, the code executes the instruction in the
// parameter def.
func callCode(rules []*specs.LinuxSyscall, a *abi, def bpf.Instruction) ([]bpf.Instruction, error) {
	var code []bpf.Instruction
	for _, rule := range rules {
		ret, err := verdict(rule.Action, rule.ErrnoRet)
		if err != nil {
			return nil, err
		}
		if len(rule.Args) == 0 {
			return []bpf.Instruction{ret}, nil
		}
		matching := []bpf.Instruction{ret}
		for i := range rule.Args {
			if matching, err = condition(&rule.Args[i], a, matching); err != nil {
				return nil, err
			}
		}
		code = append(code, matching...)
	}
	return append(code, def), nil
}

// condition returns code that runs body if the system call satisfies arg, the condition
// of a rule for one argument of the call. Otherwise the code continues after body.
func condition(arg *specs.LinuxSeccompArg, a *abi, body []bpf.Instruction) ([]bpf.Instruction, error) {
	low := argsOffset + 8*uint32(arg.Index)
	high := low + 4
	if bigEndian(a) {
		low, high = high, low
	}
	value, two := arg.Value, arg.ValueTwo
	skip := uint8(len(body))
	switch arg.Op {
	case specs.OpEqualTo:
		return append([]bpf.Instruction{
			load(high),
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(value >> 32), SkipFalse: skip + 2},
			load(low),
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(value), SkipFalse: skip},
		}, body...), nil
	case specs.OpMaskedEqual:
		return append([]bpf.Instruction{
			load(high),
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(value >> 32)},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(two >> 32), SkipFalse: skip + 3},
			load(low),
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(value)},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(two), SkipFalse: skip},
		}, body...), nil
	case specs.OpLessThan:
		return append([]bpf.Instruction{
			load(high),
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(value >> 32), SkipTrue: 3},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(value >> 32), SkipFalse: skip + 2},
			load(low),
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: uint32(value), SkipFalse: skip},
		}, body...), nil
	case specs.OpNotEqual, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual:
	}
	return nil, fmt.Errorf("unsupported operator %s", arg.Op)
}

// bigEndian reports whether an ABI is big-endian. In this case, the upper half of an argument
// comes first in struct seccomp_data.
func bigEndian(a *abi) bool {
	const littleEndian = 0x40000000 // __AUDIT_ARCH_LE
	return a.audit&littleEndian == 0
}

// verdict returns the BPF instruction that ends the filter with an action of the seccomp
// profile, such as SCMP_ACT_ERRNO. The parameter errno is the error number for SCMP_ACT_ERRNO.
// If it is nil, the error is EPERM.
func verdict(action specs.LinuxSeccompAction, errno *uint) (bpf.Instruction, error) {
	switch {
	case action == specs.ActAllow:
		return bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}, nil
	case action == specs.ActErrno && errno != nil:
		return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(*errno)&unix.SECCOMP_RET_DATA}, nil
	case action == specs.ActErrno:
		return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}, nil
	}
	return nil, fmt.Errorf("unsupported action %s", action)
}

// search returns code that finds a system call number in spans by binary search, and
// runs the code of its span.
func search(spans []span) []bpf.Instruction {
	if len(spans) == 1 {
		return spans[0].code
	}
	middle := len(spans) / 2
	return branch(bpf.JumpGreaterOrEqual, spans[middle].first, search(spans[middle:]), search(spans[:middle]))
}

// branch returns code that compares the loaded word with a value. If cond holds, the
// code runs onTrue, otherwise onFalse. Both must end with a return instruction.
func branch(cond bpf.JumpTest, value uint32, onTrue, onFalse []bpf.Instruction) []bpf.Instruction {
	jump := []bpf.Instruction{bpf.JumpIf{Cond: cond, Val: value, SkipTrue: uint8(len(onFalse))}}
	if len(onFalse) > 255 { // too far for a conditional jump
		jump = []bpf.Instruction{bpf.JumpIf{Cond: cond, Val: value, SkipFalse: 1}, bpf.Jump{Skip: uint32(len(onFalse))}}
	}
	return slices.Concat(jump, onFalse, onTrue)
}
