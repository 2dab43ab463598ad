//go:build !linux

package inprocess

import "errors"

// exchange is not supported.
func exchange(_, _ string) error { return errors.ErrUnsupported }
