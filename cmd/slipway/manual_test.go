package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestManual checks that the pages about commands in the manual have their texts and flags. With
// UPDATE=1, it writes them.
func TestManual(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "") // part of a default
	const dir = "../../docs/reference/cli"
	root := &cobra.Command{Use: "slipway"}
	root.AddCommand(subcommands(nil)...)
	root.InitDefaultCompletionCmd()
	want := map[string]string{}
	index := "# Commands\n\n`slipway COMMAND --help` prints what these pages contain.\n\n| command | |\n|---|---|\n"
	for _, c := range root.Commands() {
		if c.Hidden {
			continue
		}
		want[c.Name()+".md"] = commandPage(c)
		index += fmt.Sprintf("| [slipway %s](%s.md) | %s |\n", c.Name(), c.Name(), markdown(c.Short))
	}
	want["README.md"] = index + "\n`--flag=false` switches a flag off. Exit codes and variables are in [environment](../environment.md).\n"
	if os.Getenv("UPDATE") != "" {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(file)] = string(text)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s is out of date, UPDATE=1 go test ./cmd/slipway -run TestManual rewrites it (-want +got):\n%s", dir, d)
	}
}

// commandPage returns the page of a command and its subcommands in Markdown.
func commandPage(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", c.CommandPath())
	writeCommand(&b, c)
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			fmt.Fprintf(&b, "\n## %s\n\n", sub.CommandPath())
			writeCommand(&b, sub)
		}
	}
	return b.String()
}

// writeCommand writes the usage, the description, the examples and the flags of a command.
func writeCommand(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "```\n%s\n```\n\n", c.UseLine())
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	b.WriteString(paragraphs(text))
	if c.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.ReplaceAll("\n"+c.Example, "\n  ", "\n")[1:])
	}
	if len(c.Aliases) > 0 {
		fmt.Fprintf(b, "\nAliases: `%s`.\n", strings.Join(c.Aliases, "`, `"))
	}
	var rows strings.Builder
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			rows.WriteString(flagRow(f))
		}
	})
	if rows.Len() > 0 {
		fmt.Fprintf(b, "\n| flag | |\n|---|---|\n%s", rows.String())
	}
}

// flagRow returns the row of a flag in a table.
func flagRow(f *pflag.Flag) string {
	name, usage := pflag.UnquoteUsage(f)
	var b strings.Builder
	if f.Shorthand != "" {
		fmt.Fprintf(&b, "`-%s`, ", f.Shorthand)
	}
	value := ""
	switch {
	case f.NoOptDefVal != "" && f.Value.Type() != "bool":
		value = "[=" + name + "]"
	case name != "":
		value = " " + name
	}
	fmt.Fprintf(&b, "`--%s%s`", f.Name, strings.ReplaceAll(value, "|", `\|`))
	fmt.Fprintf(&b, " | %s", markdown(usage))
	switch f.DefValue {
	case "", "[]", "false", "0":
	default:
		fmt.Fprintf(&b, " (default `%s`)", f.DefValue)
	}
	return "| " + b.String() + " |\n"
}

// paragraphs converts the description of a command to Markdown. Indented lines become code.
func paragraphs(text string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(text, "\n\n") {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		var code []string
		for line := range strings.SplitSeq(strings.Trim(part, "\n"), "\n") {
			if strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "\t") {
				code = append(code, line)
				continue
			}
			writeCode(&b, code)
			code = nil
			b.WriteString(markdown(strings.TrimPrefix(line, "#### ")) + "\n") // cobra's headings
		}
		writeCode(&b, code)
	}
	return b.String()
}

// writeCode writes a code block after a paragraph.
func writeCode(b *strings.Builder, lines []string) {
	if len(lines) == 0 {
		return
	}
	if !strings.HasSuffix(b.String(), "\n\n") {
		b.WriteString("\n")
	}
	indent := len(lines[0])
	for _, line := range lines {
		indent = min(indent, len(line)-len(strings.TrimLeft(line, " \t")))
	}
	b.WriteString("```text\n")
	for _, line := range lines {
		b.WriteString(line[indent:] + "\n")
	}
	b.WriteString("```\n")
}

// markdown escapes a text for Markdown.
func markdown(s string) string {
	s = regexp.MustCompile("[\\\\`*_<>\\[\\]|#$~]").ReplaceAllString(s, `\$0`)
	return strings.ReplaceAll(s, `\$`, "$")
}
