package script

import (
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"slipway/source"
)

// Command is a simple command of a script: a program with its arguments, or a builtin.
type Command struct {
	Script *Script
	Name   string // the name of the program, without a usual directory such as /usr/bin
	Word   Word   // the word with the name
	Args   []Word
	Top    bool             // whether the command always runs, in the script's own shell: not in a branch, a pipe or a subshell
	Exec   bool             // whether the command is the exec form of an instruction
	Piped  bool             // whether the command reads the output of another command
	Via    *Command         // the command that runs this command, such as sudo; nil without a wrapper
	Stmt   *syntax.Stmt     // nil for an exec form
	Call   *syntax.CallExpr // nil for an exec form

	lookup func(string) (string, bool)
}

// newCommand returns the command with the given words, at least one.
func newCommand(s *Script, words []Word) *Command {
	return &Command{Script: s, Name: programName(words[0].Value), Word: words[0], Args: words[1:]}
}

// programName returns the name of a program without its directory, if that is one of the usual
// directories for programs.
func programName(word string) string {
	dir, name := path.Split(word)
	switch dir {
	case "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/":
		return name
	}
	return word
}

// Lookup returns the value of a variable in the environment of the command. ok is false if the
// value is not certain.
func (c *Command) Lookup(name string) (value string, ok bool) {
	if c.lookup == nil {
		return "", false
	}
	return c.lookup(name)
}

// Range returns the range of the command, from its name to its last argument.
func (c *Command) Range() source.Range {
	r := c.Word.Range
	if n := len(c.Args); n > 0 && c.Args[n-1].Range.File == r.File {
		r = r.Join(c.Args[n-1].Range)
	}
	return r
}

// wrapper describes a command that runs another command.
type wrapper struct {
	values      string // the letters of options that take a value
	assignments bool   // whether NAME=VALUE may precede the command
	operands    int    // the number of operands before the command
}

// wrapperOf returns the description of a command that runs another command.
func wrapperOf(name string) (wrapper, bool) {
	switch name {
	case "env":
		return wrapper{values: "uC", assignments: true}, true
	case "exec":
		return wrapper{values: "a"}, true
	case "time":
		return wrapper{values: "fo"}, true
	case "nice", "ionice":
		return wrapper{values: "ncp"}, true
	case "sudo", "doas":
		return wrapper{values: "ugpCTRDhrt", assignments: true}, true
	case "nohup", "command", "builtin", "eatmydata", "fakeroot", "setsid":
		return wrapper{}, true
	case "timeout":
		return wrapper{values: "ks", operands: 1}, true
	case "chroot":
		return wrapper{operands: 1}, true
	case "xargs":
		return wrapper{values: "aEeIiLlnPsd"}, true
	}
	return wrapper{}, false
}

// wrapped returns the commands that c runs as a wrapper, such as apt-get for sudo apt-get.
func (c *Command) wrapped() []*Command {
	spec, ok := wrapperOf(c.Name)
	if !ok {
		return nil
	}
	i, operands := 0, spec.operands
	for ; i < len(c.Args); i++ {
		a := c.Args[i]
		switch {
		case !a.Static:
			return nil
		case a.Value == "--":
			continue
		case len(a.Value) > 1 && a.Value[0] == '-':
			if c.Name == "command" && strings.ContainsAny(a.Value, "vV") {
				return nil
			}
			if !strings.HasPrefix(a.Value, "--") && strings.ContainsRune(spec.values, rune(a.Value[len(a.Value)-1])) {
				i++
			}
			continue
		case spec.assignments && strings.Contains(a.Value, "="):
			continue
		case operands > 0:
			operands--
			continue
		}
		break
	}
	return c.inner(i)
}

// inner returns the command that starts with the argument at index i, and the commands that it
// runs.
func (c *Command) inner(i int) []*Command {
	if i >= len(c.Args) || c.Args[i].Value == "" {
		return nil
	}
	words := c.Args[i:]
	if c.Name == "xargs" {
		words = append(words[:len(words):len(words)], Word{Range: c.Word.Range})
	}
	in := newCommand(c.Script, words)
	in.Top, in.Stmt, in.Call, in.Via, in.lookup, in.Piped = c.Top, c.Stmt, c.Call, c, c.lookup, c.Piped
	return append([]*Command{in}, in.wrapped()...)
}

// From returns the command with the arguments from index i.
func (c *Command) From(i int) *Command {
	d := *c
	d.Args = c.Args[min(i, len(c.Args)):]
	return &d
}

// Until returns the command with the arguments before the first argument with the given value.
func (c *Command) Until(word string) *Command {
	d := *c
	for i, a := range c.Args {
		if a.Value == word {
			d.Args = c.Args[:i:i]
			break
		}
	}
	return &d
}
