package plan

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Paths in an image follow the rules of the image's operating system, whatever the
// operating system of the host. Only this file handles drive letters and backslashes. All
// other files use slashes.

// normalizePath returns the path p as an absolute path with slashes and without a drive letter.
// A relative path starts at parent. os is the operating system of the image. If keepSlash is
// set, a trailing / or /. is preserved, because it marks a directory for COPY.
//
// Upstream: normalizePath does not clean absolute Linux paths.
func normalizePath(parent, p, os string, keepSlash bool) (string, error) {
	written := toSlash(p, os)
	parent = toSlash(parent, os)
	if parent == "" {
		parent = "/"
	}
	parent, err := dropDrive(parent, os, keepSlash)
	if err != nil {
		return "", fmt.Errorf("removing drive letter: %w", err)
	}
	parent = ensureAbs(parent, os)
	p = written
	if p == "" {
		p = parent
	}
	if p, err = dropDrive(p, os, keepSlash); err != nil {
		return "", fmt.Errorf("removing drive letter: %w", err)
	}
	if !isAbs(p, os) {
		p = path.Join(parent, p)
	}
	if keepSlash {
		p = keepEnd(p, written)
	}
	return toSlash(p, os), nil
}

// ensureAbs returns p as an absolute path. A relative path starts at the root.
func ensureAbs(p, os string) string {
	if isAbs(p, os) {
		return p
	}
	return path.Join("/", p)
}

// keepEnd restores a trailing / or /. that cleaning removed from a path. The parameter p is the
// cleaned path, and original is the path before cleaning.
func keepEnd(p, original string) string {
	switch {
	case strings.HasSuffix(original, "/") && !strings.HasSuffix(p, "/"):
		return p + "/"
	case strings.HasSuffix(original, "/."):
		if p != "/" {
			p += "/"
		}
		return p + "."
	}
	return p
}

// toSlash replaces the backslashes in a Windows path with slashes.
func toSlash(p, os string) string {
	if os != "windows" {
		return p
	}
	return strings.ReplaceAll(p, `\`, "/")
}

// fromSlash replaces the slashes in the path p with backslashes if os is windows.
func fromSlash(p, os string) string {
	if os != "windows" {
		return p
	}
	return strings.ReplaceAll(p, "/", `\`)
}

// isAbs reports whether the path p is absolute. A Windows path can be absolute without a
// drive letter.
func isAbs(p, os string) bool {
	p, err := dropDrive(p, os, false)
	return err == nil && path.IsAbs(toSlash(p, os))
}

// dropDrive returns a Windows path cleaned and without the letter of the system drive.
// Other drives and network shares are errors, because they do not exist in images. Paths
// for other operating systems are returned unchanged.
func dropDrive(p, os string, keepSlash bool) (string, error) {
	if os != "windows" {
		return p, nil
	}
	if len(p) == 2 && p[1] == ':' {
		return "", fmt.Errorf("No relative path specified in %q", p) //nolint:staticcheck // clients match on it
	}
	if strings.HasPrefix(toSlash(p, os), "//") {
		return "", errors.New("UNC paths are not supported")
	}
	if drive, rest, ok := strings.Cut(p, ":"); ok {
		if !strings.EqualFold(drive, "c") {
			return "", errors.New("The specified path is not on the system drive (C:)") //nolint:staticcheck // clients match on it
		}
		p = rest
	}
	p = toSlash(p, os)
	clean := path.Clean(p)
	if keepSlash && len(clean) > 1 && strings.HasSuffix(p, "/") {
		clean += "/"
	}
	return clean, nil
}
