package script

import (
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Dialect is the language of a script.
type Dialect int

// The dialects. None means that the shell is unknown or that its language is not supported,
// such as PowerShell.
const (
	None Dialect = iota
	POSIX
	Busybox // POSIX with the extensions of BusyBox
	Bash
	Ksh
	Zsh
)

// String returns the name of the dialect, such as "sh".
func (d Dialect) String() string {
	switch d {
	case POSIX:
		return "sh"
	case Busybox:
		return "busybox"
	case Bash:
		return "bash"
	case Ksh:
		return "ksh"
	case Zsh:
		return "zsh"
	case None:
	}
	return "none"
}

// variant returns the language for package syntax. BusyBox is parsed as bash, because it
// accepts many of bash's extensions.
func (d Dialect) variant() syntax.LangVariant {
	switch d {
	case POSIX:
		return syntax.LangPOSIX
	case Ksh:
		return syntax.LangMirBSDKorn
	case Zsh:
		return syntax.LangZsh
	case None, Busybox, Bash:
	}
	return syntax.LangBash
}

// Named returns the dialect of the shell program with the given name or path, such as
// /bin/bash or bash.exe. It returns None if the program is not a known shell.
func Named(program string) Dialect {
	name := path.Base(strings.ReplaceAll(program, `\`, "/"))
	switch strings.TrimSuffix(strings.ToLower(name), ".exe") {
	case "sh", "dash":
		return POSIX
	case "ash", "busybox":
		return Busybox
	case "bash":
		return Bash
	case "ksh", "mksh", "ksh93":
		return Ksh
	case "zsh":
		return Zsh
	}
	return None
}

// Options contains the options of a shell that matter to rules.
type Options struct {
	Errexit  bool // whether the shell exits when a command fails: -e
	Pipefail bool // whether a pipeline fails if any of its commands fails: -o pipefail
}

// set reads the option words of a shell or of the command set, such as -eo and pipefail. It
// returns the options o with the changes. rest is the number of words before the first operand,
// and command reports whether one of the options is -c.
func (o Options) set(words []string) (changed Options, rest int, command bool) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		if len(w) < 2 || w[0] != '-' && w[0] != '+' {
			return o, i, command
		}
		if w == "--" {
			return o, i + 1, command
		}
		if strings.HasPrefix(w, "--") {
			continue
		}
		on := w[0] == '-'
		for _, c := range w[1:] {
			switch c {
			case 'e':
				o.Errexit = on
			case 'c':
				command = true
			case 'o', 'O':
				if i++; i < len(words) {
					o = o.named(words[i], on)
				}
			}
		}
	}
	return o, len(words), command
}

// named returns the options with the option of the given name switched on or off.
func (o Options) named(name string, on bool) Options {
	switch name {
	case "errexit":
		o.Errexit = on
	case "pipefail":
		o.Pipefail = on
	}
	return o
}

// shellOf returns the dialect and the options of a shell command line such as the argument of
// SHELL. An empty command line selects the default, /bin/sh.
func shellOf(words []string) (Dialect, Options) {
	if len(words) == 0 {
		return POSIX, Options{}
	}
	opt, _, _ := Options{}.set(words[1:])
	return Named(words[0]), opt
}

// shebang returns the dialect of a script from its first line, such as #!/bin/bash or
// #!/usr/bin/env bash. ok is false if the script does not start with #!.
func shebang(text string) (d Dialect, opt Options, ok bool) {
	line, _, _ := strings.Cut(text, "\n")
	line, ok = strings.CutPrefix(line, "#!")
	if !ok {
		return None, Options{}, false
	}
	words := strings.Fields(line)
	if len(words) > 0 && path.Base(words[0]) == "env" {
		words = words[1:]
		for len(words) > 0 && strings.HasPrefix(words[0], "-") {
			words = words[1:]
		}
	}
	if len(words) == 0 {
		return None, Options{}, true
	}
	d, opt = shellOf(words)
	return d, opt, true
}
