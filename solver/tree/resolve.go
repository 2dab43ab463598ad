package tree

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

var (
	// errLoop is what following symbolic links ends in where they go round.
	errLoop = errors.New("too many levels of symbolic links")
	// errLinkSteps is what reading a layer ends in that is made of such links.
	errLinkSteps = errors.New("the symbolic links of the layer lead through too many others")
)

// maxLinks is how many symbolic links one path may go through.
//
// Upstream: containerd's number; Linux has 40.
const maxLinks = 255

// linkText is how many bytes of paths cost as much as a step.
const linkText = 16

// resolver follows the symbolic links of a path.
type resolver struct {
	parts []string // of the result
	at    []change // the root, and what each part is
	size  int      // of the result in bytes, with a slash before each part
	links int      // that were followed
}

// resolve follows the symbolic links of a path below root. If steps is not nil,
// it counts down the steps after the first link.
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

// spend reports whether there are n steps left, and takes them. If steps is nil,
// there is no limit.
func spend(steps *int64, n int) bool {
	if steps != nil {
		*steps -= int64(n)
	}
	return steps == nil || *steps >= 0
}

// up goes to the directory above, if there is one.
func (r *resolver) up() {
	if n := len(r.parts) - 1; n >= 0 {
		r.size -= 1 + len(r.parts[n])
		r.parts, r.at = r.parts[:n], r.at[:n+1]
	}
}

// down goes to a name in the directory, and returns what it is. What is neither a
// directory nor a link has no names in it.
func (r *resolver) down(name string) (change, error) {
	var c change
	switch dir := r.at[len(r.at)-1]; {
	case dir.folder != nil:
		c, _ = dir.folder.child(name)
	case dir.node != nil && dir.node.kind == Dir:
		c.node = dir.node.Child(name)
	}
	r.parts, r.at, r.size = append(r.parts, name), append(r.at, c), r.size+1+len(name)
	if len(name) > maxName || r.size-1 > maxPath {
		return c, &fs.PathError{Op: "resolve", Path: path.Join(r.parts...)[:maxName] + "…", Err: errLong}
	}
	return c, nil
}

// clean brings a path into the form without leading and trailing slashes in
// which "" is the root; ".." does not leave it.
func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}
