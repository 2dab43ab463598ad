package interp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"mvdan.cc/sh/v3/interp"
)

// call is one invocation of a tool.
type call struct {
	*files
	hc    interp.HandlerContext
	name  string
	args  []string // without the name, and without flags after parse
	flags map[byte]string
	code  int // of the first failure
}

// tool is a command implemented by the runner. Its flags are single letters. A flag
// with a value is followed by a colon.
type tool struct {
	flags string
	run   func(context.Context, *call) error
}

// run parses the flags and runs the tool. An error about a path is printed in the
// format of such tools, and sets the exit code to 1. Unsupported operations fail the
// build.
func (c *call) run(ctx context.Context, t tool) error {
	if err := c.parse(t.flags); err != nil {
		return err
	}
	if err := c.fail(t.run(ctx, c)); err != nil {
		return err
	}
	if c.code != 0 {
		return interp.ExitStatus(c.code)
	}
	return nil
}

// fail prints an error about a path, after which the tool continues. It returns all
// other errors.
func (c *call) fail(err error) error {
	var p *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		fmt.Fprintf(c.hc.Stderr, "%s: %s: %v\n", c.name, p.Path, p.Err)
		c.code = 1
		return nil
	}
	var status interp.ExitStatus
	if errors.As(err, &status) {
		c.code = int(status)
		return nil
	}
	return err
}

// usage prints an error about arguments and returns exit status 1.
func (c *call) usage(text string) error {
	fmt.Fprintf(c.hc.Stderr, "%s: %s\n", c.name, text)
	return interp.ExitStatus(1)
}

// parse removes the flags from the arguments.
func (c *call) parse(known string) error {
	c.flags = map[byte]string{}
	var rest []string
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		if a == "--" {
			rest = append(rest, c.args[i+1:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			rest = append(rest, a)
			continue
		}
		if strings.HasPrefix(a, "--") {
			return unable("has no flag %s of %s", a, c.name)
		}
		for j := 1; j < len(a); j++ {
			at := strings.IndexByte(known, a[j])
			if at < 0 || a[j] == ':' {
				return unable("has no flag -%c of %s", a[j], c.name)
			}
			if at+1 == len(known) || known[at+1] != ':' {
				c.flags[a[j]] = ""
				continue
			}
			value := a[j+1:]
			if value == "" {
				if i++; i == len(c.args) {
					return c.usage(fmt.Sprintf("-%c needs a value", a[j]))
				}
				value = c.args[i]
			}
			c.flags[a[j]] = value
			break
		}
	}
	c.args = rest
	return nil
}

func (c *call) has(flag byte) bool {
	_, ok := c.flags[flag]
	return ok
}

// path returns the absolute path of an argument.
func (c *call) path(arg string) string { return absolute(c.hc.Dir, arg) }

// each calls fn for each argument and continues after errors about paths.
func (c *call) each(fn func(arg string) error) error {
	if len(c.args) == 0 {
		return c.usage("missing operand")
	}
	for _, a := range c.args {
		if err := c.fail(fn(a)); err != nil {
			return err
		}
	}
	return nil
}

// print writes to standard output.
func (c *call) print(format string, args ...any) error {
	_, err := fmt.Fprintf(c.hc.Stdout, format, args...)
	return err
}

// into calls fn for each source path with its destination: a path in the last argument
// if that is a directory, otherwise the last argument itself.
func (c *call) into(fn func(from, to string) error) error {
	if len(c.args) < 2 {
		return c.usage("missing operand")
	}
	dest := c.path(c.args[len(c.args)-1])
	info, err := c.stat(dest, true)
	isDir := err == nil && info.IsDir() && !c.has('T')
	if len(c.args) > 2 && !isDir {
		return fault("open", c.args[len(c.args)-1], errNotDir)
	}
	c.args = c.args[:len(c.args)-1]
	return c.each(func(arg string) error {
		to := dest
		if isDir {
			to = path.Join(dest, path.Base(arg))
		}
		return fn(arg, to)
	})
}
