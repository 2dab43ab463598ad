//go:build !linux

package contained

import (
	"errors"
	"os/exec"
)

// Start fails: namespaces exist on Linux only.
func Start(*exec.Cmd) (*Process, error) {
	return nil, errors.New("running a builder needs Linux")
}
