//go:build !linux

package inprocess

import "errors"

// exchange returns an error, because only Linux can swap directories atomically.
func exchange(_, _ string) error { return errors.ErrUnsupported }
