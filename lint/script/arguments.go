package script

import (
	"slices"
	"strings"
)

// Usage describes the options of a program.
type Usage struct {
	Short    string // the letters of short options that take a value
	Long     string // the long options that take a value, separated by spaces, without dashes
	Switches string // the long options that take no value; prefixes such as no- are known
	Single   bool   // whether long options have a single dash, and short options do not exist
}

// Flag is an option of a command.
type Flag struct {
	Name     string // with its dashes, such as -y or --yes
	Value    string
	HasValue bool
	Word     Word
}

// Arguments contains the arguments of a command, split into options and operands.
type Arguments struct {
	Flags    []Flag
	Operands []Word // the operands whose values are certain
	Opaque   bool   // whether further operands exist whose values are not certain
}

// Flag returns the first option with one of the given names, or nil.
func (a *Arguments) Flag(names ...string) *Flag {
	for i := range a.Flags {
		if slices.Contains(names, a.Flags[i].Name) {
			return &a.Flags[i]
		}
	}
	return nil
}

// Has reports whether the command has an option with one of the given names.
func (a *Arguments) Has(names ...string) bool { return a.Flag(names...) != nil }

// Count returns the number of options with one of the given names.
func (a *Arguments) Count(names ...string) int {
	n := 0
	for _, f := range a.Flags {
		if slices.Contains(names, f.Name) {
			n++
		}
	}
	return n
}

// Sub returns the first operand, the subcommand of programs such as apt-get, and "" if it is
// not known.
func (a *Arguments) Sub() string {
	if len(a.Operands) == 0 {
		return ""
	}
	return a.Operands[0].Value
}

// Rest returns the operands after the subcommand.
func (a *Arguments) Rest() []Word {
	if len(a.Operands) == 0 {
		return nil
	}
	return a.Operands[1:]
}

// Arguments splits the arguments of the command. It stops at a word that may contain options,
// because the words after it may be values of these options.
func (c *Command) Arguments(u Usage) *Arguments {
	var a Arguments
	for i := 0; i < len(c.Args); i++ {
		w := c.Args[i]
		switch {
		case w.MayHoldOptions():
			a.Opaque = true
			return &a
		case w.Value == "--":
			for _, rest := range c.Args[i+1:] {
				a.operand(rest)
			}
			return &a
		case len(w.Value) < 2 || w.Value[0] != '-':
			a.operand(w)
		case u.Single || strings.HasPrefix(w.Value, "--"):
			i += a.long(w, c.Args[i+1:], u)
		default:
			i += a.cluster(w, c.Args[i+1:], u)
		}
	}
	return &a
}

// operand adds an operand.
func (a *Arguments) operand(w Word) {
	if !w.Static {
		a.Opaque = true
		return
	}
	a.Operands = append(a.Operands, w)
}

// long adds a long option, and returns the number of the following words that are its value.
func (a *Arguments) long(w Word, next []Word, u Usage) int {
	name, value, hasValue := strings.Cut(w.Value, "=")
	f := Flag{Name: name, Value: value, HasValue: hasValue, Word: w}
	used := 0
	bare := strings.TrimLeft(name, "-")
	switch {
	case hasValue || !w.Static || len(next) == 0 || listed(u.Switches, bare) || negative(bare):
	case listed(u.Long, bare):
		f.Value, f.HasValue, used = next[0].Value, true, 1
	case u.Single || strings.HasPrefix(next[0].Value, "-") || next[0].MayHoldOptions():
	default:
		// The option is unknown, so the next word may be its value.
		a.Opaque, used = true, 1
	}
	a.Flags = append(a.Flags, f)
	return used
}

// cluster adds the short options of a word such as -yq, and returns the number of the following
// words that are the value of the last one.
func (a *Arguments) cluster(w Word, next []Word, u Usage) int {
	for i := 1; i < len(w.Value); i++ {
		f := Flag{Name: "-" + w.Value[i:i+1], Word: w}
		rest := w.Value[i+1:]
		if strings.HasPrefix(rest, "=") {
			f.Value, f.HasValue = rest[1:], true
			a.Flags = append(a.Flags, f)
			return 0
		}
		if strings.IndexByte(u.Short, w.Value[i]) < 0 {
			a.Flags = append(a.Flags, f)
			continue
		}
		f.HasValue = true
		used := 0
		if f.Value = rest; rest == "" && w.Static && len(next) > 0 {
			f.Value, used = next[0].Value, 1
		}
		a.Flags = append(a.Flags, f)
		return used
	}
	return 0
}

// listed reports whether a list of words separated by spaces contains a word.
func listed(list, word string) bool {
	for rest := list; word != ""; {
		i := strings.Index(rest, word)
		if i < 0 {
			return false
		}
		end := i + len(word)
		if (i == 0 || rest[i-1] == ' ') && (end == len(rest) || rest[end] == ' ') {
			return true
		}
		rest = rest[i+1:]
	}
	return false
}

// negative reports whether the name of an option shows that the option takes no value, such as
// no-cache.
func negative(name string) bool {
	for _, p := range []string{"no-", "allow-", "force", "only-", "skip-", "with-", "without-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
