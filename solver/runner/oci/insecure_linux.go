package oci

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/capability"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// spareLoops is the number of loop devices that a step with all privileges gets beyond
// the first unused one.
const spareLoops = 7

// allowAll changes the spec s so that its process has all privileges of the builder, as
// in BuildKit with RUN --security=insecure: every capability, writable /sys and control
// groups, all devices, and, outside a user namespace, additional device files such as
// /dev/fuse.
func allowAll(s *specs.Spec, userNamespace bool) error {
	caps, err := capabilities()
	if err != nil {
		return err
	}
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Ambient: caps, Effective: caps, Inheritable: caps, Permitted: caps}
	s.Linux.ReadonlyPaths, s.Linux.MaskedPaths = nil, nil
	s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Access: "rwm"}, {Allow: true, Type: "b", Access: "rwm"}}
	for _, m := range s.Mounts {
		for i, o := range m.Options {
			if o == "ro" && (m.Type == "cgroup" || m.Type == "sysfs") {
				m.Options[i] = "rw"
			}
		}
	}
	if !userNamespace {
		s.Linux.Devices = append(s.Linux.Devices, insecureDevices()...)
	}
	return nil
}

// capabilities returns the effective capabilities of the builder by their names in the
// OCI runtime specification, such as CAP_SYS_ADMIN.
func capabilities() ([]string, error) {
	have, err := capability.NewPid2(0)
	if err == nil {
		err = have.Load()
	}
	if err != nil {
		return nil, fmt.Errorf("read capabilities: %w", err)
	}
	var names []string
	for _, c := range capability.ListKnown() {
		if have.Get(capability.EFFECTIVE, c) {
			names = append(names, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	return names, nil
}

// insecureDevices returns the additional device files of a step with all privileges,
// such as /dev/fuse, /dev/kvm and loop devices. BuildKit creates the same devices.
func insecureDevices() []specs.LinuxDevice {
	list := []specs.LinuxDevice{
		{Path: "/dev/kmsg", Type: "c", Major: 1, Minor: 11},
		{Path: "/dev/cuse", Type: "c", Major: 10, Minor: 203},
		{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229},
		{Path: "/dev/kvm", Type: "c", Major: 10, Minor: 232},
		{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200},
		{Path: "/dev/loop-control", Type: "c", Major: 10, Minor: 237},
	}
	for i := range unusedLoop() + spareLoops + 1 {
		list = append(list, specs.LinuxDevice{Path: fmt.Sprintf("/dev/loop%d", i), Type: "b", Major: 7, Minor: int64(i)})
	}
	return list
}

// unusedLoop returns the number of the first unused loop device of this machine, or 0
// if the kernel does not report it.
func unusedLoop() int {
	f, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return 0
	}
	n, err := unix.IoctlRetInt(int(f.Fd()), unix.LOOP_CTL_GET_FREE)
	if errors.Join(err, f.Close()) != nil {
		return 0
	}
	return n
}
