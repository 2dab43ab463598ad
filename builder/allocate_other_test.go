//go:build !linux

package builder

import (
	"errors"
	"os"
)

// allocate makes a file of n bytes, which all count where holes are not known.
func allocate(name string, n int64) error {
	return errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, n))
}
