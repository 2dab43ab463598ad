//go:build !linux

package contained

import (
	"errors"
	"os/exec"
)

// Start returns an error, because namespaces exist only on Linux.
func Start(*exec.Cmd) (*Process, error) {
	return nil, errors.New("running a builder requires Linux")
}
