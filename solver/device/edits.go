package device

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"slipway/solver/runner"
)

// Edits is what a process needs to use devices.
type Edits struct {
	Env     []string // K=V
	Groups  []uint32 // supplementary groups
	Devices []runner.Device
	Mounts  []runner.Mount // files and directories of the host
}

// Edits returns what a process needs to use the given devices. The names are fully qualified.
func (r *Registry) Edits(names []string) (*Edits, error) {
	e := &Edits{}
	seen := map[string]bool{} // files whose common part has been added
	for _, name := range names {
		d := r.cache.GetDevice(name)
		if d == nil {
			return nil, fmt.Errorf("device %s does not exist any more", name)
		}
		parts := []*specs.ContainerEdits{&d.ContainerEdits}
		if file := d.GetSpec().GetPath(); !seen[file] {
			seen[file] = true
			parts = []*specs.ContainerEdits{&d.GetSpec().ContainerEdits, &d.ContainerEdits}
		}
		for _, part := range parts {
			if err := e.add(part); err != nil {
				return nil, fmt.Errorf("device %s: %w", name, err)
			}
		}
	}
	return e, nil
}

// add adds a part of a description to e.
func (e *Edits) add(part *specs.ContainerEdits) error {
	switch {
	case len(part.Hooks) > 0:
		return errors.New("its hooks, programs that run on the host, are not supported")
	case len(part.NetDevices) > 0:
		return errors.New("its network devices are not supported")
	case part.IntelRdt != nil:
		return errors.New("its setting of Intel RDT is not supported")
	}
	e.Env = append(e.Env, part.Env...)
	for _, g := range part.AdditionalGIDs {
		if g != 0 && !slices.Contains(e.Groups, g) {
			e.Groups = append(e.Groups, g)
		}
	}
	for _, n := range part.DeviceNodes {
		d, err := hostDevice(n)
		if err != nil {
			return err
		}
		e.Devices = append(slices.DeleteFunc(e.Devices, func(o runner.Device) bool { return o.Path == d.Path }), d)
	}
	for _, m := range part.Mounts {
		out, err := hostMount(m)
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.ContainerPath, err)
		}
		e.Mounts = append(slices.DeleteFunc(e.Mounts, func(o runner.Mount) bool { return o.Target == out.Target }), out)
	}
	return nil
}

// hostMount converts a mount in a description to a mount of the runner.
func hostMount(m *specs.Mount) (runner.Mount, error) {
	if m.Type != "" && m.Type != "bind" {
		return runner.Mount{}, fmt.Errorf("the type %q is not supported", m.Type)
	}
	file, err := filepath.EvalSymlinks(m.HostPath)
	if err != nil {
		return runner.Mount{}, err
	}
	return runner.Mount{
		Kind: runner.MountDir, Target: filepath.Clean(m.ContainerPath), HostPath: filepath.Dir(file), Source: filepath.Base(file),
		ReadOnly: slices.Contains(m.Options, "ro"),
	}, nil
}

// noAccess is the value of the permissions of a device file that processes may not open.
const noAccess = "none"

// access returns the kinds of access that a description permits, for [runner.Device].
func access(n *specs.DeviceNode) string {
	return strings.ReplaceAll(cmp.Or(n.Permissions, "rwm"), noAccess, "")
}
