package namespace

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
)

// TestCallTables checks that the tables in calls.txt equal those in go-seccomp-bpf and in
// golang.org/x/sys, for the architectures that the former does not support. With UPDATE=1, it
// writes calls.txt.
func TestCallTables(t *testing.T) {
	tables := map[string]map[int]string{
		"386": arch.I386.SyscallNumbers, "amd64": arch.X86_64.SyscallNumbers, "arm": arch.ARM.SyscallNumbers,
		"arm64": maps.Clone(arch.AARCH64.SyscallNumbers), "x32": arch.X32.SyscallNumbers,
	}
	for number, call := range tables["arm64"] {
		if call == "fstatat" {
			tables["arm64"][number] = "newfstatat" // the name in libseccomp and in seccomp profiles
		}
	}
	for _, name := range []string{"loong64", "ppc64le", "riscv64", "s390x"} {
		tables[name] = constants(t, name)
	}
	abis := slices.Sorted(maps.Keys(tables))
	calls := map[string][]string{} // numbers by name, one cell per ABI
	for i, name := range abis {
		for _, number := range slices.Sorted(maps.Keys(tables[name])) {
			call := tables[name][number]
			if calls[call] == nil {
				calls[call] = slices.Repeat([]string{"-"}, len(abis))
			}
			calls[call][i] = strings.TrimPrefix(calls[call][i]+","+strconv.Itoa(number), "-,")
		}
	}
	want := "name " + strings.Join(abis, " ") + "\n"
	for _, call := range slices.Sorted(maps.Keys(calls)) {
		want += call + " " + strings.Join(calls[call], " ") + "\n"
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("calls.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != callTables {
		t.Error("calls.txt differs from the libraries (UPDATE=1 go test . writes it)")
	}
	for name, table := range tables {
		if got := callsOf(t, name).calls; !maps.Equal(got, table) {
			t.Errorf("%s: calls %v, want %v", name, got, table)
		}
	}
}

// constants returns the system call numbers that golang.org/x/sys defines for a GOARCH.
func constants(t *testing.T, goarch string) map[int]string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+goarch+".go"))
	if err != nil {
		t.Fatal(err)
	}
	table := map[int]string{}
	for _, m := range regexp.MustCompile(`\bSYS_(\w+)\s*=\s*(\d+)`).FindAllStringSubmatch(string(source), -1) {
		number, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		table[number] = strings.ToLower(m[1])
	}
	return table
}

// TestUnknownCalls checks that available rejects an architecture whose system calls are
// unknown, because no seccomp filter can be made for it.
func TestUnknownCalls(t *testing.T) {
	const want = "namespaces: unsupported architecture mips64le: its system calls are unknown, so they cannot be filtered"
	if err := available(t.Context(), "mips64le"); fmt.Sprint(err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
