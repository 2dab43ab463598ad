//go:build !linux

package builder

import (
	"errors"
	"os"
)

// allocate creates a file of n bytes. It may be sparse: on this system, the size of a file
// counts as its disk usage.
func allocate(name string, n int64) error {
	return errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, n))
}
