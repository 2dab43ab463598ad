package solver

import (
	"errors"
	"fmt"
	"slices"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/runner"
)

// devices adds what the CDI devices of the operation need to the process: environment variables,
// supplementary groups, device files and mounts. A mount of the operation with the same target as
// a mount of a device replaces it.
func (x *execRun) devices() error {
	if len(x.op.CdiDevices) == 0 {
		return nil
	}
	if x.opt.Devices == nil {
		for _, d := range x.op.CdiDevices {
			if !d.GetOptional() {
				return fmt.Errorf("device %s: %w", d.GetName(), errNoDevices)
			}
		}
		return nil
	}
	edits, err := x.opt.Devices(x.op.CdiDevices)
	if err != nil {
		return err
	}
	x.p.Env = append(x.p.Env, edits.Env...)
	x.p.Groups = append(x.p.Groups, edits.Groups...)
	x.p.Devices = append(x.p.Devices, edits.Devices...)
	for _, m := range edits.Mounts {
		if !slices.ContainsFunc(x.p.Mounts, func(o runner.Mount) bool { return o.Target == m.Target }) {
			x.p.Mounts, x.sources = append(x.p.Mounts, m), append(x.sources, deviceMount())
		}
	}
	x.sort()
	return nil
}

// errNoDevices is the error for a required device in a build without devices.
var errNoDevices = errors.New("this build has no devices")

// deviceMount returns the mount in [execRun].sources for a mount of a device, which is no mount of
// the operation. It has no output.
func deviceMount() *pb.Mount {
	return &pb.Mount{MountType: pb.MountType_CACHE, Input: int64(pb.Empty), Output: int64(pb.SkipOutput)}
}
