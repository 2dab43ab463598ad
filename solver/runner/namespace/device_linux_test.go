package namespace

import (
	"strings"
	"testing"

	"slipway/internal/testtree"
	"slipway/solver/runner"
)

// TestMoreDevices checks that a process can use exactly the additional devices of its sandbox, and that
// their files are not part of the result. The devices have the numbers of /dev/zero.
func TestMoreDevices(t *testing.T) {
	if isRootless(t) {
		return
	}
	w := newFixture(t)
	w.install(t, "bin/head", "/usr/bin/head")
	p := w.process("head -c 3 /dev/extra | head -c 3 | { read -r x; echo ${#x}; }; test -c /opt/extra && echo outside")
	for _, path := range []string{"/dev/extra", "/opt/extra"} {
		p.Devices = append(p.Devices, runner.Device{Path: path, HostPath: "/dev/zero", Major: 1, Minor: 5, Access: "rwm", Mode: 0o600})
	}
	got, n := w.run(t, p)
	if want := "0\noutside\n"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	for _, name := range []string{"dev/extra", "opt"} {
		if testtree.Must(n.Get(name)) != nil {
			t.Errorf("%s is part of the result, want no files of devices", name)
		}
	}
	if got, _ := w.run(t, w.process("ls /dev/extra 2>&1 || test -e /dev/extra || echo none")); !strings.HasSuffix(got, "none\n") {
		t.Errorf("a process without devices: output %q, want none", got)
	}
}

// TestGroupsOfDevices checks that a process has the supplementary groups that its devices need.
func TestGroupsOfDevices(t *testing.T) {
	if isRootless(t) {
		return
	}
	w := newFixture(t)
	w.install(t, "bin/id", "/usr/bin/id")
	p := w.process("id -G")
	p.User, p.Groups = "12:34", []uint32{56}
	if got, _ := w.run(t, p); got != "34 56\n" {
		t.Errorf("groups %q, want 34 and 56", got)
	}
}
