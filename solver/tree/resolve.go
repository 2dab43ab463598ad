package tree

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

var (
	// errLoop is the error for symbolic links that form a loop.
	errLoop = errors.New("too many levels of symbolic links")
	// errLinkSteps is the error for a layer whose symbolic links exceed maxLinkSteps.
	errLinkSteps = errors.New("the symbolic links of the layer lead through too many others")
)

// maxLinks is the maximum number of symbolic links that are followed for one path.
//
// Upstream: containerd has the same limit. Linux follows at most 40.
const maxLinks = 255

// linkText is the number of bytes of a link target that count as one lookup. Long targets
// count more because they take longer to resolve.
const linkText = 16

// resolver holds the state of [resolve]: the part of a path that is already resolved.
type resolver struct {
	parts []string // elements of the resolved path
	at    []change // the root and each part of the result
	size  int      // length of the resolved path in bytes, with a slash before each part
	links int      // number of links followed
}

// resolve returns the path below root that name leads to if symbolic links are followed. If
// last is false, it does not follow a link in the last part of name. If steps is not nil,
// *steps is the remaining number of lookups that links may cause. resolve subtracts each
// lookup after the first link from it, and returns an error if it becomes negative.
func resolve(root change, name string, last bool, steps *int64) (string, error) {
	if len(name) > maxPath {
		return "", &fs.PathError{Op: "resolve", Path: name[:maxName] + "…", Err: errLong}
	}
	r := resolver{at: []change{root}}
	for rest := name; rest != ""; {
		if r.links > 0 && !spend(steps, 1) {
			return "", errLinkSteps
		}
		part, more, _ := strings.Cut(rest, "/")
		rest = more
		switch part {
		case "", ".":
			continue
		case "..":
			r.up()
			continue
		}
		c, err := r.down(part)
		if err != nil {
			return "", err
		}
		if c.node == nil || c.node.kind != Symlink || !last && strings.Trim(rest, "/") == "" {
			continue
		}
		if r.links > 0 && !spend(steps, (len(rest)+len(c.node.target))/linkText) {
			return "", errLinkSteps
		}
		if r.links++; r.links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: "/" + clean(name), Err: errLoop}
		}
		r.up()
		if strings.HasPrefix(c.node.target, "/") {
			r.parts, r.at, r.size = nil, r.at[:1], 0
		}
		rest = c.node.target + "/" + rest
	}
	return strings.Join(r.parts, "/"), nil
}

// spend subtracts n from *steps, the remaining number of lookups, and reports whether the
// result is at least 0. If steps is nil, the number is unlimited, and spend returns true.
func spend(steps *int64, n int) bool {
	if steps != nil {
		*steps -= int64(n)
	}
	return steps == nil || *steps >= 0
}

// up removes the last part from the resolved path. If the path is the root, up does
// nothing.
func (r *resolver) up() {
	if n := len(r.parts) - 1; n >= 0 {
		r.size -= 1 + len(r.parts[n])
		r.parts, r.at = r.parts[:n], r.at[:n+1]
	}
}

// down appends name to the resolved path and returns the state of the entry with the given
// name in the current directory. If the current node is not a directory, the entry does not
// exist. down returns an error if the path becomes longer than Linux permits.
func (r *resolver) down(name string) (change, error) {
	c, err := r.at[len(r.at)-1].child(name)
	if err != nil {
		return c, err
	}
	r.parts, r.at, r.size = append(r.parts, name), append(r.at, c), r.size+1+len(name)
	if len(name) > maxName || r.size-1 > maxPath {
		return c, &fs.PathError{Op: "resolve", Path: path.Join(r.parts...)[:maxName] + "…", Err: errLong}
	}
	return c, nil
}

// clean returns the shortest equivalent of a path, without leading and trailing
// slashes. For "/" and "..", it returns "".
func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}
