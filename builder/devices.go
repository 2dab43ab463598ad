package builder

import (
	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/device"
)

// readDevices reads the descriptions of the CDI devices of this machine.
func (o *Options) readDevices() (*device.Registry, error) {
	if o.DeviceDirs == nil {
		return device.Read(device.DefaultDirs())
	}
	return device.Read(o.DeviceDirs)
}

// Devices returns the CDI devices of this machine, which steps can request.
func (o *Options) Devices() ([]device.Device, error) {
	r, err := o.readDevices()
	if err != nil {
		return nil, err
	}
	return r.Devices(), nil
}

// editsFor returns what a step needs to use CDI devices. It reads the descriptions of devices for
// each step that requests devices, because few steps do.
func (o *Options) editsFor(list []*pb.CDIDevice) (*device.Edits, error) {
	granted, err := device.ParseGrants(o.Allow)
	if err != nil {
		return nil, err
	}
	r, err := o.readDevices()
	if err != nil {
		return nil, err
	}
	var requests []device.Request
	for _, d := range list {
		requests = append(requests, device.Request{Name: d.GetName(), Optional: d.GetOptional()})
	}
	names, err := r.Resolve(requests, granted)
	if err != nil {
		return nil, err
	}
	return r.Edits(names)
}
