package interp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// tools returns the supported tools, by name. The shell's builtins, such as echo, are
// not included.
func tools() map[string]tool {
	return map[string]tool{
		"basename":  {"", basename},
		"cat":       {"", cat},
		"chmod":     {"R", chmod},
		"chown":     {"Rh", chown},
		"cp":        {"aprRTf", cp},
		"dirname":   {"", dirname},
		"env":       {"", env},
		"head":      {"n:c:", head},
		"id":        {"ugn", id},
		"ln":        {"sfnT", ln},
		"ls":        {"1a", ls},
		"mkdir":     {"pm:", mkdir},
		"mv":        {"fT", mv},
		"readlink":  {"f", readlink},
		"rm":        {"rRf", rm},
		"rmdir":     {"", rmdir},
		"sha256sum": {"", sha256sum},
		"sleep":     {"", sleep},
		"sort":      {"ru", sortLines},
		"tee":       {"a", tee},
		"touch":     {"", touch},
		"uname":     {"msr", uname},
		"wc":        {"clw", wc},
		"whoami":    {"", func(_ context.Context, c *call) error { return c.print("root\n") }},
	}
}

func basename(_ context.Context, c *call) error {
	if len(c.args) == 0 || len(c.args) > 2 {
		return c.usage("want PATH [SUFFIX]")
	}
	name := path.Base(c.args[0])
	if len(c.args) == 2 && name != c.args[1] {
		name = strings.TrimSuffix(name, c.args[1])
	}
	return c.print("%s\n", name)
}

func dirname(_ context.Context, c *call) error {
	return c.each(func(arg string) error { return c.print("%s\n", path.Dir(arg)) })
}

// inputs calls fn with the name and content of each input file. An input is an
// argument, or standard input if the argument is "-" or there are no arguments.
func (c *call) inputs(fn func(name string, data []byte) error) error {
	if len(c.args) == 0 {
		c.args = []string{"-"}
	}
	return c.each(func(arg string) error {
		var data []byte
		var err error
		if arg == "-" {
			if c.hc.Stdin != nil {
				data, err = io.ReadAll(io.LimitReader(c.hc.Stdin, maxFile+1))
			}
			if len(data) > maxFile {
				return unsupportedf("allows at most %d bytes from standard input", maxFile)
			}
		} else {
			data, err = c.read(c.path(arg))
		}
		if err != nil {
			return err
		}
		return fn(arg, data)
	})
}

func cat(_ context.Context, c *call) error {
	return c.inputs(func(_ string, data []byte) error {
		_, err := c.hc.Stdout.Write(data)
		return err
	})
}

func head(_ context.Context, c *call) error {
	lines, bytesOnly := c.flags['n'], c.has('c')
	if lines == "" {
		lines = "10"
	}
	if bytesOnly {
		lines = c.flags['c']
	}
	n, err := strconv.Atoi(lines)
	if err != nil || n < 0 {
		return unsupportedf("does not support the number %q of head", lines)
	}
	return c.inputs(func(_ string, data []byte) error {
		if bytesOnly {
			data = data[:min(n, len(data))]
		} else {
			data = bytes.Join(splitLines(data)[:min(n, len(splitLines(data)))], nil)
		}
		_, err := c.hc.Stdout.Write(data)
		return err
	})
}

// splitLines returns the lines of a text, including their newlines.
func splitLines(data []byte) [][]byte { return slices.Collect(bytes.Lines(data)) }

func sortLines(_ context.Context, c *call) error {
	var lines []string
	err := c.inputs(func(_ string, data []byte) error {
		for _, l := range splitLines(data) {
			lines = append(lines, strings.TrimSuffix(string(l), "\n"))
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(lines)
	if c.has('u') {
		lines = slices.Compact(lines)
	}
	if c.has('r') {
		slices.Reverse(lines)
	}
	for _, l := range lines {
		if err := c.print("%s\n", l); err != nil {
			return err
		}
	}
	return nil
}

func wc(_ context.Context, c *call) error {
	if len(c.flags) != 1 || len(c.args) > 1 {
		return unsupportedf("supports wc only with one flag and at most one file, because its columns differ between systems")
	}
	return c.inputs(func(name string, data []byte) error {
		n := len(data)
		switch {
		case c.has('l'):
			n = bytes.Count(data, []byte("\n"))
		case c.has('w'):
			n = len(bytes.Fields(data))
		}
		if name == "-" {
			return c.print("%d\n", n)
		}
		return c.print("%d %s\n", n, name)
	})
}

func sha256sum(_ context.Context, c *call) error {
	return c.inputs(func(name string, data []byte) error {
		return c.print("%s  %s\n", digest.FromBytes(data).Encoded(), name)
	})
}

func tee(_ context.Context, c *call) error {
	data, err := io.ReadAll(c.hc.Stdin)
	if err != nil {
		return err
	}
	if _, err := c.hc.Stdout.Write(data); err != nil || len(c.args) == 0 {
		return err
	}
	return c.each(func(arg string) error {
		all := data
		if c.has('a') {
			if old, err := c.read(c.path(arg)); err == nil {
				all = append(old, data...)
			}
		}
		return c.Write(c.path(arg), all)
	})
}

func sleep(ctx context.Context, c *call) error {
	return c.each(func(arg string) error {
		sec, err := strconv.ParseFloat(strings.TrimSuffix(arg, "s"), 64)
		if err != nil {
			return c.usage("invalid number " + strconv.Quote(arg))
		}
		select {
		case <-time.After(time.Duration(sec * float64(time.Second))):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

// uname prints the platform of the step. It fails for 386 and other platforms whose
// machine name depends on the CPU of the machine.
func uname(_ context.Context, c *call) error {
	if len(c.args) > 0 || c.has('r') {
		return unsupportedf("supports uname only with -m and -s")
	}
	if !c.has('m') {
		return c.print("Linux\n")
	}
	machines := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x"}
	m, ok := machines[c.arch]
	if !ok {
		return unsupportedf("does not know the machine name of %s", c.arch)
	}
	if c.has('s') {
		m = "Linux " + m
	}
	return c.print("%s\n", m)
}

func id(_ context.Context, c *call) error {
	switch {
	case c.has('n') && (c.has('u') || c.has('g')):
		return c.print("root\n")
	case c.has('u') || c.has('g'):
		return c.print("0\n")
	}
	return unsupportedf("supports id only with -u or -g")
}

func env(_ context.Context, c *call) error {
	if len(c.args) > 0 {
		return unsupportedf("does not run commands with env")
	}
	var lines []string
	for name, v := range c.hc.Env.Each {
		if v.Exported {
			lines = append(lines, fmt.Sprintf("%s=%s\n", name, v.String()))
		}
	}
	slices.Sort(lines)
	return c.print("%s", strings.Join(lines, ""))
}
