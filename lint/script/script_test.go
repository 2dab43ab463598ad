package script_test

import (
	"fmt"
	"strings"
	"testing"

	"slipway/instructions"
	"slipway/lint/script"
	"slipway/parser"
	"slipway/source"
)

// scripts returns the scripts of the RUN instructions of a Dockerfile. All use the given shell.
func scripts(t *testing.T, dockerfile string, shell ...string) []*script.Script {
	t.Helper()
	f, errs := parser.Parse(source.NewFile("Dockerfile", []byte(dockerfile)))
	if errs.Err() != nil {
		t.Fatal(errs)
	}
	p := script.NewParser()
	var list []*script.Script
	for _, in := range f.Instructions() {
		c, d := instructions.ParseOne(in)
		if d != nil {
			t.Fatal(d)
		}
		list = append(list, p.Scripts(script.Source{Command: c, In: in, Shell: shell, Lookup: func(name string) (string, bool) {
			return "value of " + name, name == "KNOWN"
		}})...)
	}
	return list
}

// TestCommands checks the commands of scripts, the values of their words, and that the range of
// each word has the text of the word.
func TestCommands(t *testing.T) {
	for _, tc := range []struct{ dockerfile, want string }{
		{"RUN a b 'c d' \"e\\\"f\" g\\ h", `a [b] [c d] [e"f] [g h]`},
		{"RUN a && b || c; d | e & f", "a; b; c; d; e; f"},
		{"RUN /usr/bin/a && /opt/b && ./c", "a; /opt/b; ./c"},
		{"RUN if a; then b; elif c; then d; else e; fi; while f; do g; done; case x in y) h;; esac; (i); { j; }; k() { l; }", "a; b; c; d; e; f; g; h; i; j; l"},
		{"RUN a $(b \"$(c)\") `d` <(e)", "c; b [~]; d; e; a [~] [~] [~]"},
		{"RUN sudo -u x env -i A=1 nice -n 5 time -p a b", "sudo [-u] [x] [env] [-i] [A=1] [nice] [-n] [5] [time] [-p] [a] [b]; env [-i] [A=1] [nice] [-n] [5] [time] [-p] [a] [b]; nice [-n] [5] [time] [-p] [a] [b]; time [-p] [a] [b]; a [b]"},
		{"RUN command -v a && exec b", "command [-v] [a]; exec [b]; b"},
		{"RUN A=1; a $A ${A}x \"$A\" '$A' $B ${A:-2}", "a [1] [1x] [1] [$A] [~] [~]"},
		{"RUN A='b c'; a $A \"$A\"", "a [b] [c] [b c]"},
		{"RUN if x; then A=1; fi; a $A; for B in 1 2; do b $B; done; A=3 c $A; d $KNOWN", "x; a [~]; b [~]; c [~]; d [value] [of] [KNOWN]"},
		{"RUN A=1; (A=2; a $A); b $A; read A; c $A", "a [2]; b [1]; read [A]; c [~]"},
		{"RUN export A=1 && a $A", "export [A=1]; a [1]"},
		{"RUN $X a && '' b", ""},
		{"RUN [\"a\", \"b\\tc\"]", "a [b\tc]"},
		{"RUN [\"bash\", \"-e\", \"-c\", \"a \\\"b c\\\"\"]", "a [b c]"},
		{"RUN bash -lc 'a b' && sh -c \"c \\$d\"", "bash [-lc] [a b]; sh [-c] [c $d]; a [b]; c [~]"},
		{"RUN <<E\na\nb c\nE", "a; b [c]"},
		{"RUN <<-E\n\ta\n\t\tb\n\tE", "a; b"},
		{"RUN cat <<E && a\ntext\nE", "cat; a"},
		{"RUN bash <<E\na b\nE", "bash; a [b]"},
		{"RUN <<E\n#!/usr/bin/env python3\na\nE", ""},
		{"RUN a \\\n  # comment\n  b \\\n\n  c", "a [b] [c]"},
	} {
		var list []string
		for _, s := range scripts(t, tc.dockerfile) {
			for _, c := range s.Commands {
				text := c.Name
				for _, w := range c.Args {
					if w.Static {
						text += " [" + w.Value + "]"
					} else {
						text += " [~]"
					}
				}
				list = append(list, text)
			}
		}
		if got := strings.Join(list, "; "); got != tc.want {
			t.Errorf("%q: commands\n%s, want\n%s", tc.dockerfile, got, tc.want)
		}
	}
}

// TestRanges checks the ranges of words in all forms of scripts.
func TestRanges(t *testing.T) {
	for _, dockerfile := range []string{
		"RUN a WORD", "RUN a \\\n  WORD", "RUN <<E\na WORD\nE", "RUN <<-E\n\ta WORD\n\tE", "RUN [\"sh\", \"-c\", \"\\ta WORD\"]",
		"RUN sh -c 'b; a WORD'", "RUN sh -c \"sh -c 'a WORD'\"", "RUN bash <<E\n  a WORD\nE", "RUN cat <<E\nx\nE\n\nRUN a WORD", "RUN [\"a\", \"WORD\"]",
		"RUN --mount=type=cache,target=/x a \"é\" WORD", "ONBUILD RUN a WORD",
	} {
		found := ""
		for _, s := range scripts(t, strings.TrimPrefix(dockerfile, "ONBUILD ")) {
			for _, c := range s.Commands {
				if n := len(c.Args); c.Name == "a" && n > 0 {
					found = c.Args[n-1].Range.String()
				}
			}
		}
		if strings.Trim(found, `"`) != "WORD" {
			t.Errorf("%q: the range of the word is %q", dockerfile, found)
		}
	}
}

// TestDialect checks the language and the options of scripts.
func TestDialect(t *testing.T) {
	for _, tc := range []struct {
		shell, run, want string
	}{
		{"", "RUN a", "sh"},
		{"/bin/bash -eo pipefail -c", "RUN a", "bash errexit pipefail"},
		{"/usr/local/bin/ash -o errexit -c", "RUN a", "busybox errexit"},
		{`C:\x\bash.exe -c`, "RUN a", "bash"},
		{"pwsh -Command", "RUN a", "none"},
		{"/bin/bash -c", "RUN <<E\n#!/bin/sh -e\na\nE", "sh errexit"},
		{"", "RUN [\"bash\", \"-o\", \"pipefail\", \"-c\", \"a\"]", "bash pipefail"},
		{"zsh -c", "RUN a", "zsh"},
		{"mksh -c", "RUN a", "ksh"},
	} {
		s := scripts(t, tc.run, strings.Fields(tc.shell)...)[0]
		got := s.Dialect.String()
		if s.Options.Errexit {
			got += " errexit"
		}
		if s.Options.Pipefail {
			got += " pipefail"
		}
		if got != tc.want {
			t.Errorf("%s: %s: %s, want %s", tc.shell, tc.run, got, tc.want)
		}
	}
}

// TestSyntaxErrors checks the location and the message of an error in a script.
func TestSyntaxErrors(t *testing.T) {
	s := scripts(t, "RUN a && \\\n  b )")[0]
	if s.Tree != nil || s.Err == nil || s.Err.Range.String() != ")" {
		t.Errorf("error %+v, want one at )", s.Err)
	}
	if s := scripts(t, "RUN [[ a == b ]] && x=(1)")[0]; s.Err != nil {
		t.Errorf("a script in bash: error %+v", s.Err)
	}
}

// TestArguments checks how the arguments of commands are split into options and operands.
func TestArguments(t *testing.T) {
	u := script.Usage{Short: "tv", Long: "target value", Switches: "yes no"}
	for _, tc := range []struct{ args, want string }{
		{"-y a -t x b", "-y -t=x | a b"},
		{"-ytx a", "-y -t=x | a"},
		{"-t=x a", "-t=x | a"},
		{"--target x --yes a --value=1", "--target=x --yes --value=1 | a"},
		{"--unknown x a", "--unknown | a opaque"},
		{"--unknown --yes a", "--unknown --yes | a"},
		{"--no-thing a", "--no-thing | a"},
		{"-- -t a", " | -t a"},
		{"a $X b", " | a opaque"},
		{"a x$X b", " | a b opaque"},
		{"--value=$X b", "--value= | b"},
		{"- a", " | - a"},
	} {
		c := scripts(t, "RUN c "+tc.args)[0].Commands[0]
		a := c.Arguments(u)
		var flags, operands []string
		for _, f := range a.Flags {
			text := f.Name
			if f.HasValue {
				text += "=" + f.Value
			}
			flags = append(flags, text)
		}
		for _, w := range a.Operands {
			operands = append(operands, w.Value)
		}
		if a.Opaque {
			operands = append(operands, "opaque")
		}
		if got := fmt.Sprintf("%s | %s", strings.Join(flags, " "), strings.Join(operands, " ")); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.args, got, tc.want)
		}
	}
}
