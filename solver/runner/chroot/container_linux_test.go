package chroot

import "testing"

// TestInContainer checks which machines count as containers. On anything else, a step without
// isolation could change the machine of the user.
func TestInContainer(t *testing.T) {
	const own = "pid:[4026532001]"
	for _, tc := range []struct {
		about string
		m     machine
		want  bool
	}{
		{"a machine", machine{pidNamespace: initialPIDs}, false},
		{"a virtual machine made from an image", machine{pidNamespace: initialPIDs, marked: true, overlay: true, kubernetes: true}, false},
		{"the PIDs of the host in a container", machine{pidNamespace: initialPIDs, environ: []byte("A=B\x00container=podman\x00")}, false},
		{"no /proc", machine{marked: true, overlay: true}, false},
		{"unshare --pid on a machine", machine{pidNamespace: own, environ: []byte("notcontainer=x\x00")}, false},
		{"Docker", machine{pidNamespace: own, marked: true}, true},
		{"a pod", machine{pidNamespace: own, kubernetes: true}, true},
		{"containerd", machine{pidNamespace: own, overlay: true}, true},
		{"systemd-nspawn", machine{pidNamespace: own, environ: []byte("container=systemd-nspawn\x00A=B\x00")}, true},
		{"LXC", machine{pidNamespace: own, environ: []byte("A=B\x00container=lxc\x00")}, true},
	} {
		if got := tc.m.isContainer(); got != tc.want {
			t.Errorf("%s: isContainer is %t, want %t", tc.about, got, tc.want)
		}
	}
}
