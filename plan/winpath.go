package plan

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Paths of an image follow the rules of the image's operating system. The system
// of the host does not matter. Only this file handles drives and backslashes. Other files use slashes.

// normalizePath makes p absolute, relative to parent, with slashes and without a drive. If
// keepSlash is set, a trailing / or /. stays, which marks a directory for COPY.
//
// Upstream: absolute paths of Linux are not cleaned here.
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

func ensureAbs(p, os string) string {
	if isAbs(p, os) {
		return p
	}
	return path.Join("/", p)
}

// keepEnd appends to p the trailing / or /. of the path as it was written.
func keepEnd(p, written string) string {
	switch {
	case strings.HasSuffix(written, "/") && !strings.HasSuffix(p, "/"):
		return p + "/"
	case strings.HasSuffix(written, "/."):
		if p != "/" {
			p += "/"
		}
		return p + "."
	}
	return p
}

func toSlash(p, os string) string {
	if os != "windows" {
		return p
	}
	return strings.ReplaceAll(p, `\`, "/")
}

func fromSlash(p, os string) string {
	if os != "windows" {
		return p
	}
	return strings.ReplaceAll(p, "/", `\`)
}

// isAbs reports whether p starts at the root of its drive.
func isAbs(p, os string) bool {
	p, err := dropDrive(p, os, false)
	return err == nil && path.IsAbs(toSlash(p, os))
}

// dropDrive removes the letter of the system drive from a Windows path and
// cleans it. Other drives and network shares do not exist in images.
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
