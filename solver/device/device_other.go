//go:build !linux

package device

import (
	"errors"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"slipway/solver/runner"
)

// hostDevice returns an error, because steps have device files only on Linux.
func hostDevice(*specs.DeviceNode) (runner.Device, error) {
	return runner.Device{}, errors.New("device files are not supported on this system")
}
