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

// call is one invocation of a built-in tool.
type call struct {
	*files
	hc    interp.HandlerContext
	name  string
	args  []string        // arguments without the name; parse also removes the flags
	flags map[byte]string // values by flag, set by parse
	code  int             // exit code so far
}

// tool is a command that this package implements, such as cp.
type tool struct {
	flags string // letters of the supported flags; a colon follows each flag with a value, as in "n:c:"
	run   func(context.Context, *call) error
}

// run parses the flags and runs the tool. An error about a path does not end the step:
// it is printed like "cp: a: file does not exist", and the tool exits with code 1. The
// error for an unsupported operation fails the step.
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

// fail handles an error about one argument, or the error that the whole tool returned. For an
// error about a path, it prints the error and records exit code 1, so that the tool can
// continue with the next argument. For an [interp.ExitStatus], it records that exit code. It
// returns any other error.
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

// usage prints an error about the arguments of the tool and returns exit status 1.
func (c *call) usage(text string) error {
	fmt.Fprintf(c.hc.Stderr, "%s: %s\n", c.name, text)
	return interp.ExitStatus(1)
}

// parse moves flags from c.args to c.flags. The parameter letters lists the supported
// flags. A colon follows each flag that has a value, as in "n:c:".
func (c *call) parse(letters string) error {
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
			return unsupportedf("does not support the flag %s of %s", a, c.name)
		}
		for j := 1; j < len(a); j++ {
			at := strings.IndexByte(letters, a[j])
			if at < 0 || a[j] == ':' {
				return unsupportedf("does not support the flag -%c of %s", a[j], c.name)
			}
			if at+1 == len(letters) || letters[at+1] != ':' {
				c.flags[a[j]] = ""
				continue
			}
			value := a[j+1:]
			if value == "" {
				if i++; i == len(c.args) {
					return c.usage(fmt.Sprintf("-%c requires a value", a[j]))
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

// has reports whether the command line of the tool contains a flag, such as 'r' for -r.
func (c *call) has(flag byte) bool {
	_, ok := c.flags[flag]
	return ok
}

// path returns the absolute path of an argument. If the argument is a relative path, it
// starts in the working directory.
func (c *call) path(arg string) string { return absolute(c.hc.Dir, arg) }

// each calls fn for each argument in order. If fn returns an error about a path, each
// prints it and continues.
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

// eachWritable is like each, but for tools that change the files named by their
// arguments. It resolves each argument with ResolveWritable and calls fn with the
// argument and the resolved path. If last is set, it also follows a symbolic link in
// the last component. The files of the process are locked while fn runs.
func (c *call) eachWritable(last bool, fn func(arg, at string) error) error {
	return c.each(func(arg string) error {
		c.Lock()
		defer c.Unlock()
		at, err := c.ResolveWritable(c.path(arg), last)
		if err != nil {
			return err
		}
		return fn(arg, at)
	})
}

// print writes formatted text to the standard output of the tool.
func (c *call) print(format string, args ...any) error {
	_, err := fmt.Fprintf(c.hc.Stdout, format, args...)
	return err
}

// eachSource calls fn with each source and its destination. The sources are all
// arguments but the last. If the last argument is a directory and the flag -T is not
// set, the destination is the base name of the source in that directory. Otherwise the
// last argument itself is the destination.
func (c *call) eachSource(fn func(from, to string) error) error {
	if len(c.args) < 2 {
		return c.usage("missing operand")
	}
	dest := c.path(c.args[len(c.args)-1])
	info, err := c.stat(dest, true)
	isDir := err == nil && info.IsDir() && !c.has('T')
	if len(c.args) > 2 && !isDir {
		return pathError("open", c.args[len(c.args)-1], errNotDir)
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
