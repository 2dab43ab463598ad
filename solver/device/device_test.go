package device

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/solver/runner"
)

// read returns a registry with the descriptions in text, each for a file.
func read(t *testing.T, text ...string) *Registry {
	t.Helper()
	dir := t.TempDir()
	for i, s := range text {
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".yaml"), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Read([]string{dir, filepath.Join(dir, "missing")})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	gpus = `
cdiVersion: "0.6.0"
kind: vendor.com/gpu
annotations:
  org.mobyproject.buildkit.device.class: compute
containerEdits:
  env: [ALL=1]
devices:
- name: one
  containerEdits:
    env: [ONE=1]
- name: two
  annotations:
    org.mobyproject.buildkit.device.class: second
  containerEdits:
    env: [TWO=1]
`
	free = `
cdiVersion: "0.6.0"
kind: vendor.com/free
annotations:
  org.mobyproject.buildkit.device.autoallow: true
devices:
- name: z
  containerEdits:
    env: [Z=1]
`
)

// TestResolve checks which devices a request names, and which entitlement it needs.
func TestResolve(t *testing.T) {
	r := read(t, gpus, free, "invalid")
	for _, tc := range []struct {
		request string
		allow   []string
		want    string // names, or the error
	}{
		{"vendor.com/free=z", nil, "vendor.com/free=z"},
		{"vendor.com/gpu=one", nil, "device vendor.com/gpu=one is requested by the build but not allowed (grant it with --allow device=vendor.com/gpu=one)"},
		{"vendor.com/gpu=*", nil, "devices vendor.com/gpu=one, vendor.com/gpu=two are requested by the build but not allowed (grant them with --allow device)"},
		{"vendor.com/gpu=*", []string{"device"}, "vendor.com/gpu=one vendor.com/gpu=two"},
		{"vendor.com/gpu", []string{"device=vendor.com/gpu"}, "vendor.com/gpu=one"},
		{"vendor.com/gpu=two", []string{"device=vendor.com/gpu=one"}, "device vendor.com/gpu=two is requested by the build but not allowed (grant it with --allow device=vendor.com/gpu=two)"},
		{"compute", []string{"device", "network.host"}, "vendor.com/gpu=one"},
		{"second", []string{"device=second"}, "vendor.com/gpu=two"},
		{"mine", []string{"device=vendor.com/gpu=two,alias=mine"}, "vendor.com/gpu=two"},
		{"vendor.com/gpu=three", []string{"device"}, `required device "vendor.com/gpu=three" is not registered (describe it in a file below `},
	} {
		granted, err := ParseGrants(tc.allow)
		if err != nil {
			t.Fatal(err)
		}
		names, err := r.Resolve([]Request{{Name: tc.request}, {Name: "none", Optional: true}, {Name: tc.request}}, granted)
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tc.want) || err == nil && got != tc.want {
			t.Errorf("%s with entitlements %q: %q, want %q", tc.request, tc.allow, got, tc.want)
		}
	}
	for _, e := range []string{"device=x,y", "device=x,alias=", "device=,alias=y", "device=x,alias=y,z"} {
		if _, err := ParseGrants([]string{e}); err == nil || !strings.Contains(err.Error(), "want device, device=NAME") {
			t.Errorf("entitlement %q: error %v, want one with the form", e, err)
		}
	}
}

// TestEdits checks what a process gets for a device. The common part of a file counts once.
func TestEdits(t *testing.T) {
	lib := filepath.Join(t.TempDir(), "lib.so")
	if err := os.WriteFile(lib, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := read(t, gpus, `
cdiVersion: "0.7.0"
kind: vendor.com/card
devices:
- name: a
  containerEdits:
    additionalGids: [0, 44]
    deviceNodes: [{path: /dev/card, hostPath: /dev/null, permissions: r, fileMode: 0o640, uid: 1, gid: 2}]
    mounts: [{hostPath: `+lib+`, containerPath: /lib/lib.so, options: [ro, bind]}]
`)
	got, err := r.Edits([]string{"vendor.com/gpu=two", "vendor.com/gpu=one", "vendor.com/card=a"})
	if err != nil {
		t.Fatal(err)
	}
	want := &Edits{
		Env: []string{"ALL=1", "TWO=1", "ONE=1"}, Groups: []uint32{44},
		Devices: []runner.Device{{Path: "/dev/card", HostPath: "/dev/null", Major: 1, Minor: 3, Access: "r", Mode: 0o640, UID: 1, GID: 2}},
		Mounts: []runner.Mount{{
			Kind: runner.MountDir, Target: "/lib/lib.so", HostPath: filepath.Dir(lib), Source: "lib.so", ReadOnly: true,
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("edits (-want +got):\n%s", diff)
	}
}

// TestUnsupported checks that a device that steps cannot use is an error, instead of a step that
// lacks a part of the device.
func TestUnsupported(t *testing.T) {
	for edits, want := range map[string]string{
		"hooks: [{hookName: createContainer, path: /bin/true}]":      "hooks",
		"netDevices: [{hostInterfaceName: eth0, name: eth1}]":        "network devices",
		"intelRdt: {closID: a}":                                      "Intel RDT",
		"mounts: [{hostPath: /none/x, containerPath: /x}]":           "mount /x: ",
		"mounts: [{hostPath: /tmp, containerPath: /x, type: tmpfs}]": `the type "tmpfs" is not supported`,
		"deviceNodes: [{path: /dev/none}]":                           "device file /dev/none: no such file",
		"deviceNodes: [{path: /dev/none, hostPath: /dev}]":           "device file /dev: is not a character or block device",
	} {
		r := read(t, "cdiVersion: \"1.1.0\"\nkind: vendor.com/x\ndevices: [{name: a, containerEdits: {"+edits+"}}]\n")
		if list := r.Devices(); !slices.ContainsFunc(list, func(d Device) bool { return d.Name == "vendor.com/x=a" }) {
			t.Errorf("%s: devices %v, want the device", edits, list)
			continue
		}
		if _, err := r.Edits([]string{"vendor.com/x=a"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", edits, err, want)
		}
	}
}
