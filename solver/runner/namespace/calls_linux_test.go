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
)

// TestCallTables checks that the tables in calls.txt equal those in golang.org/x/sys. With
// UPDATE=1, it writes calls.txt.
func TestCallTables(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	arches := []string{"loong64", "ppc64le", "riscv64", "s390x"}
	calls := map[string][]string{} // numbers by name, one per architecture
	constant := regexp.MustCompile(`\bSYS_(\w+)\s*=\s*(\d+)`)
	for i, name := range arches {
		source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+name+".go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range constant.FindAllStringSubmatch(string(source), -1) {
			call := strings.ToLower(m[1])
			if calls[call] == nil {
				calls[call] = slices.Repeat([]string{"-"}, len(arches))
			}
			calls[call][i] = m[2]
		}
	}
	want := "name " + strings.Join(arches, " ") + "\n"
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
		t.Error("calls.txt differs from golang.org/x/sys (UPDATE=1 go test . writes it)")
	}
	for i, name := range arches {
		abi, err := nativeCalls(name)
		if err != nil {
			t.Fatal(err)
		}
		for call, numbers := range calls {
			number, ok := abi.SyscallNames[call]
			if got := strconv.Itoa(number); ok && got != numbers[i] || !ok && numbers[i] != "-" {
				t.Errorf("%s: number of %s is %s (found %t), want %s", name, call, got, ok, numbers[i])
			}
		}
	}
}

// TestUnknownCalls checks that available rejects an architecture whose system calls are
// unknown, because no seccomp filter can be made for it.
func TestUnknownCalls(t *testing.T) {
	const want = "namespaces: unsupported architecture mips64le: its system calls are unknown, so they cannot be filtered"
	if err := available(t.Context(), "mips64le"); fmt.Sprint(err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
