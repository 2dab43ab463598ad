package namespace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/solver/runner"
)

// defaultProfile returns Docker's default seccomp profile for a process with three
// capabilities, among them CAP_SYS_CHROOT. The profile allows some system calls only to
// processes with certain capabilities.
func defaultProfile(t *testing.T) *specs.LinuxSeccomp {
	t.Helper()
	caps := []string{"CAP_CHOWN", "CAP_SYS_CHROOT", "CAP_MKNOD"}
	profile, err := seccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}})
	if err != nil {
		t.Fatal(err)
	}
	return profile
}

// verdictOf runs a filter for a system call and returns its decision: allow, kill, or
// the name of the error, such as EPERM.
func verdictOf(t *testing.T, vm *bpf.VM, id, number uint32, args ...uint64) string {
	t.Helper()
	// The kernel's struct seccomp_data, with each word in network byte order.
	data := binary.BigEndian.AppendUint32(nil, number)
	data = binary.BigEndian.AppendUint32(data, id)
	data = append(data, make([]byte, 8)...)
	for i := range 6 {
		var arg uint64
		if i < len(args) {
			arg = args[i]
		}
		if id == unix.AUDIT_ARCH_S390X {
			arg = arg<<32 | arg>>32 // the upper half comes first
		}
		data = binary.BigEndian.AppendUint32(data, uint32(arg))
		data = binary.BigEndian.AppendUint32(data, uint32(arg>>32))
	}
	ret, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	switch uint32(ret) & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW:
		return "allow"
	case unix.SECCOMP_RET_ERRNO:
		return unix.ErrnoName(unix.Errno(ret & unix.SECCOMP_RET_DATA))
	case unix.SECCOMP_RET_KILL_THREAD:
		return "kill"
	}
	return fmt.Sprintf("%#x", ret)
}

// callsOf returns the system calls of an ABI.
func callsOf(t *testing.T, name string) *abi {
	t.Helper()
	a, err := nativeCalls(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// numberOf returns the number of a system call in an ABI, without the bits that all numbers
// of the ABI have in common.
func numberOf(t *testing.T, a *abi, name string) int {
	t.Helper()
	for number, call := range a.calls {
		if call == name {
			return number
		}
	}
	t.Fatalf("%s has no system call %s", a.name, name)
	return 0
}

// TestProfile checks that the compiled filter implements Docker's default profile in
// every ABI of every supported architecture.
func TestProfile(t *testing.T) {
	for _, names := range [][]string{
		{"amd64", "386", "x32"}, {"arm64", "arm"}, {"386"}, {"arm"}, {"loong64"}, {"ppc64le"}, {"riscv64"}, {"s390x"},
	} {
		var abis []*abi
		for _, name := range names {
			abis = append(abis, callsOf(t, name))
		}
		program, err := compile(defaultProfile(t), abis)
		if err != nil {
			t.Fatal(err)
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		if got := verdictOf(t, vm, unix.AUDIT_ARCH_MIPS, 1); got != "kill" {
			t.Errorf("%s: call in another architecture: %s, want kill", abis[0].name, got)
		}
		for _, a := range abis {
			checkABI(t, vm, a)
		}
	}
}

// checkABI checks how a filter handles the system calls of an ABI: all existing calls, calls
// that are newer than the profile, and calls whose arguments the profile restricts.
func checkABI(t *testing.T, vm *bpf.VM, a *abi) {
	t.Helper()
	rules := map[string][]specs.LinuxSyscall{}
	for _, rule := range defaultProfile(t).Syscalls {
		for _, name := range rule.Names {
			rules[name] = append(rules[name], rule)
		}
	}
	last, allowed := 0, 0
	for number, name := range a.calls {
		if rules[name] != nil {
			last = max(last, number)
		}
	}
	for number, name := range a.calls {
		want := "EPERM"
		switch list := rules[name]; {
		case number > last:
			want = "ENOSYS"
		case name == "clone3":
			want = "ENOSYS"
		case len(list) > 0 && len(list[0].Args) > 0:
			continue // the action depends on the arguments
		case len(list) > 0:
			want = "allow"
			allowed++
		}
		if got := verdictOf(t, vm, a.audit, uint32(number)|a.mask); got != want {
			t.Errorf("%s: %s: %s, want %s", a.name, name, got, want)
		}
	}
	if allowed < 250 {
		t.Errorf("%s: %d calls are allowed, want at least 250", a.name, allowed)
	}
	for _, number := range []int{last + 1, last + 5000, 0x3fffffff} {
		if got := verdictOf(t, vm, a.audit, uint32(number)|a.mask); got != "ENOSYS" {
			t.Errorf("%s: call %d: %s, want ENOSYS", a.name, number, got)
		}
	}
	number := func(name string) uint32 { return uint32(numberOf(t, a, name)) | a.mask }
	for _, tc := range []struct {
		name string
		arg  uint64
		want string
	}{
		{"clone", uint64(unix.SIGCHLD), "allow"},
		{"clone", unix.CLONE_VM | unix.CLONE_THREAD | 1<<40, "allow"},
		{"clone", unix.CLONE_NEWUSER | 17, "EPERM"},
		{"clone", unix.CLONE_NEWNS, "EPERM"},
		{"clone", unix.CLONE_NEWNET | 1<<33, "EPERM"},
		{"personality", 0, "allow"},
		{"personality", 8, "allow"},
		{"personality", 0x20008, "allow"},
		{"personality", 0xffffffff, "allow"},
		{"personality", 0x40000, "EPERM"},
		{"personality", 1 << 32, "EPERM"},
		{"personality", 1<<32 | 8, "EPERM"},
		{"socket", unix.AF_UNIX, "allow"},
		{"socket", unix.AF_INET, "allow"},
		{"socket", unix.AF_INET6, "allow"},
		{"socket", unix.AF_NETLINK, "allow"},
		{"socket", unix.AF_VSOCK, "EPERM"},
		{"socket", unix.AF_ALG, "EPERM"},
		{"socket", 1<<32 | unix.AF_INET, "EPERM"},
	} {
		args := []uint64{tc.arg}
		if tc.name == "clone" && runtime.GOARCH == "s390x" { // the profile depends on the machine
			args = []uint64{0, tc.arg}
		}
		if got := verdictOf(t, vm, a.audit, number(tc.name), args...); got != tc.want {
			t.Errorf("%s: %s(%#x): %s, want %s", a.name, tc.name, tc.arg, got, tc.want)
		}
	}
}

// TestProfileLarger compiles profiles with operators and argument values that Docker's
// profile does not contain. It checks that rules compare all 64 bits of an argument,
// and that an unsupported operator, action or architecture is an error.
func TestProfileLarger(t *testing.T) {
	profile := func(op specs.LinuxSeccompOperator, action specs.LinuxSeccompAction) *specs.LinuxSeccomp {
		rule := specs.LinuxSyscall{Names: []string{"close"}, Action: action, Args: []specs.LinuxSeccompArg{
			{Index: 1, Op: specs.OpEqualTo, Value: 7}, {Index: 2, Op: op, Value: 5<<32 | 6, ValueTwo: 4<<32 | 2},
		}}
		return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{rule}}
	}
	native := callsOf(t, "amd64")
	number := uint32(numberOf(t, native, "close"))
	for op, cases := range map[specs.LinuxSeccompOperator]map[uint64]string{
		specs.OpEqualTo:     {5<<32 | 6: "allow", 6: "EPERM", 5 << 32: "EPERM"},
		specs.OpLessThan:    {5<<32 | 5: "allow", 4<<32 | 9: "allow", 5<<32 | 6: "EPERM", 6 << 32: "EPERM"},
		specs.OpMaskedEqual: {6<<32 | 3: "allow", 4<<32 | 2: "allow", 4<<32 | 4: "EPERM", 5<<32 | 2: "EPERM"},
	} {
		program, err := compile(profile(op, specs.ActAllow), []*abi{native})
		if err != nil {
			t.Fatal(err)
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		for arg, want := range cases {
			if got := verdictOf(t, vm, native.audit, number, 0, 7, arg); got != want {
				t.Errorf("%s: argument %#x: %s, want %s", op, arg, got, want)
			}
			if got := verdictOf(t, vm, native.audit, number, 0, 8, arg); got != "EPERM" {
				t.Errorf("%s: argument %#x with a wrong second one: %s, want EPERM", op, arg, got)
			}
		}
	}
	for _, bad := range []*specs.LinuxSeccomp{profile(specs.OpNotEqual, specs.ActAllow), profile(specs.OpEqualTo, specs.ActTrace), {DefaultAction: specs.ActNotify}} {
		if _, err := compile(bad, []*abi{native}); err == nil {
			t.Errorf("compile %+v: error nil, want one", bad)
		}
	}
	if _, err := abisOf(&specs.LinuxSeccomp{Architectures: []specs.Arch{specs.ArchMIPS}}); err == nil {
		t.Error("architecture without a table of system calls: error nil, want one")
	}
}

// program32 returns the machine code of a 386 program that makes a system call and
// exits with the error number of the call.
func program32(number int, args ...uint32) []byte {
	code := []byte{0xb8} // mov eax, number
	code = binary.LittleEndian.AppendUint32(code, uint32(number))
	for i, arg := range args {
		code = append(code, []byte{0xbb, 0xb9, 0xba}[i]) // mov ebx, ecx, edx
		code = binary.LittleEndian.AppendUint32(code, arg)
	}
	return append(code, 0xcd, 0x80, // int 0x80
		0xf7, 0xd8, 0x89, 0xc3, // neg eax; mov ebx, eax
		0xb8, 1, 0, 0, 0, 0xcd, 0x80) // exit
}

// elfFile returns an ELF executable with the given machine code. The parameter class is 32
// for a 386 program and 64 for an x86-64 program.
func elfFile(class int, code []byte) []byte {
	le := binary.LittleEndian
	const base = 0x400000
	if class == 32 {
		out := append([]byte("\x7fELF\x01\x01\x01"), make([]byte, 9)...)
		out = le.AppendUint32(out, 3<<16|2) // 386, executable
		for _, word := range []uint32{1, base + 84, 52, 0, 0, 52 | 32<<16, 1, 0} {
			out = le.AppendUint32(out, word)
		}
		size := uint32(84 + len(code))
		for _, word := range []uint32{1, 0, base, base, size, size, 5, 0x1000} {
			out = le.AppendUint32(out, word)
		}
		return append(out, code...)
	}
	out := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	out = le.AppendUint32(out, 62<<16|2) // x86-64, executable
	out = le.AppendUint32(out, 1)
	for _, word := range []uint64{base + 120, 64, 0} {
		out = le.AppendUint64(out, word)
	}
	for _, word := range []uint32{0, 64 | 56<<16, 1, 0} {
		out = le.AppendUint32(out, word)
	}
	out = le.AppendUint32(out, 1)
	out = le.AppendUint32(out, 5)
	size := uint64(120 + len(code))
	for _, word := range []uint64{0, base, base, size, size, 0x1000} {
		out = le.AppendUint64(out, word)
	}
	return append(out, code...)
}

// programX32 returns the machine code of an x86-64 program that makes an x32 system
// call with the arguments 0 and 0, and exits with the error number of the call.
func programX32(number int) []byte {
	code := binary.LittleEndian.AppendUint32([]byte{0xb8}, uint32(number|0x40000000)) // mov eax, number
	return append(code, 0x31, 0xff, 0x31, 0xf6, 0x0f, 0x05,                           // xor edi, edi; xor esi, esi; syscall
		0xf7, 0xd8, 0x89, 0xc7, // neg eax; mov edi, eax
		0xb8, 60, 0, 0, 0, 0x0f, 0x05) // exit
}

// runs386 reports whether the kernel runs 386 programs. The kernels of some virtual machines
// do not.
func runs386(t *testing.T) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "exit")
	if err := os.WriteFile(file, elfFile(32, program32(numberOf(t, callsOf(t, "386"), "close"), 0)), 0o755); err != nil {
		t.Fatal(err)
	}
	err := exec.CommandContext(t.Context(), file).Run()
	if err != nil && !errors.Is(err, unix.ENOEXEC) {
		t.Fatal(err)
	}
	if err != nil {
		t.Log("this kernel runs no 386 programs: steps that try must fail")
	}
	return err == nil
}

// TestForeignCalls checks that a program cannot make a rejected system call through
// another ABI of the machine: 386 or x32 on amd64. It also checks that 386 programs
// run.
func TestForeignCalls(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	if runtime.GOARCH != "amd64" {
		return
	}
	w := newFixture(t)
	const keyring = 0xfffffffd // KEY_SPEC_SESSION_KEYRING
	number := func(name string) int { return numberOf(t, callsOf(t, "386"), name) }
	runs386 := runs386(t)
	for _, tc := range []struct {
		name string
		file []byte
		want int // error number
	}{
		{"close of 386", elfFile(32, program32(number("close"), 0)), 0},
		{"keyctl of 386", elfFile(32, program32(number("keyctl"), 0, keyring, 0)), int(unix.EPERM)},
		{"add_key of 386", elfFile(32, program32(number("add_key"))), int(unix.EPERM)},
		{"unshare of 386", elfFile(32, program32(number("unshare"), unix.CLONE_NEWUSER|unix.CLONE_NEWNS)), int(unix.EPERM)},
		{"clone of 386", elfFile(32, program32(number("clone"), unix.CLONE_NEWUSER)), int(unix.EPERM)},
		{"bpf of 386", elfFile(32, program32(number("bpf"))), int(unix.EPERM)},
		{"clone3 of 386", elfFile(32, program32(number("clone3"))), int(unix.ENOSYS)},
		{"close of 386 in a program for x86-64", elfFile(64, program32(number("close"), 0)), 0},
		{"keyctl of 386 in a program for x86-64", elfFile(64, program32(number("keyctl"), 0, keyring, 0)), int(unix.EPERM)},
		{"io_uring_setup of 386 in a program for x86-64", elfFile(64, program32(number("io_uring_setup"), 0, 0)), int(unix.EPERM)},
		{"keyctl of x32", elfFile(64, programX32(numberOf(t, callsOf(t, "x32"), "keyctl"))), int(unix.EPERM)},
		{"unshare of x32", elfFile(64, programX32(numberOf(t, callsOf(t, "x32"), "unshare"))), int(unix.EPERM)},
	} {
		w.write(t, "bin/attempt", 0o755, tc.file)
		p := w.process("")
		p.Args = []string{"/bin/attempt"}
		_, err := w.Run(t.Context(), p)
		if !runs386 && strings.Contains(tc.name, "386") {
			if err == nil {
				t.Errorf("%s: the step succeeded, although the kernel runs no 386 programs", tc.name)
			}
			continue
		}
		got := 0
		var exit *runner.ExitError
		if errors.As(err, &exit) {
			got = exit.Code
		} else if err != nil {
			t.Fatal(err)
		}
		if got != tc.want {
			t.Errorf("%s: error number %d, want %d", tc.name, got, tc.want)
		}
	}
}
