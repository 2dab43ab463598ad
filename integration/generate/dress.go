package generate

import (
	"slices"
	"strings"
)

func lower(s string) string { return strings.ToLower(s) }

func title(s string) string { return s[:min(1, len(s))] + strings.ToLower(s[min(1, len(s)):]) }

// mixCase returns s with every second letter in lower case.
func mixCase(s string) string {
	b := []byte(s)
	for i := 1; i < len(b); i += 2 {
		b[i] |= 0x20
	}
	return string(b)
}

// formatInstruction adds random blanks, comments and continuation lines to an instruction. The
// result ends with a line end.
func (g *generator) formatInstruction(s string) string {
	line, rest, more := strings.Cut(g.recase(s), "\n")
	if g.chance(6) {
		line = g.splitLine(line)
	}
	if g.chance(25) {
		line = g.pick(" ", "\t", "  ") + line
	}
	if g.chance(25) {
		line += g.pick(" ", "\t", "  ")
	}
	if more {
		line += "\n" + rest
	}
	before := ""
	for g.chance(10) {
		before += g.pick("\n", "# a comment\n", "  # indented\n", "#\n", "\n\n", "# check=skip=all\n", "# base the base\n", "# A an argument\n", " \n")
	}
	return before + line + "\n"
}

// splitLine replaces some blanks of a line with line continuations.
func (g *generator) splitLine(line string) string {
	var b strings.Builder
	for i := range len(line) {
		if line[i] != ' ' || !g.chance(3) {
			b.WriteByte(line[i])
			continue
		}
		b.WriteString(g.pick(" ", "", " ") + g.escape + g.pick("", "", "", " ", "\t") + "\n")
		for g.chance(6) {
			b.WriteString(g.pick("# inside\n", "\n", "  # more\n", " \n", "#\n"))
		}
		b.WriteString(g.pick("  ", "\t", " "))
	}
	return b.String()
}

// corrupt changes a small part of a Dockerfile. The result is usually invalid.
func (g *generator) corrupt(text string) string {
	lines := strings.SplitAfter(text, "\n")
	i := g.IntN(len(lines))
	switch g.IntN(9) {
	case 0: // remove a line
		return strings.Join(slices.Delete(lines, i, i+1), "")
	case 1: // duplicate a line
		return strings.Join(slices.Insert(lines, i, lines[i]), "")
	case 2: // swap two lines
		j := g.IntN(len(lines))
		lines[i], lines[j] = lines[j], lines[i]
		return strings.Join(lines, "")
	case 3, 4, 5:
		lines[i] = g.spoilWords(lines[i])
		return strings.Join(lines, "")
	}
	return g.spoilBytes(text)
}

func (g *generator) spoilWords(line string) string {
	words := strings.SplitAfter(line, " ")
	i := g.IntN(len(words))
	switch g.IntN(5) {
	case 0:
		words = slices.Delete(words, i, i+1)
	case 1:
		words = slices.Insert(words, i, words[i])
	case 2:
		j := g.IntN(len(words))
		words[i], words[j] = words[j], words[i]
	case 3:
		words = slices.Insert(words, i, g.pick("--", "--from=0 ", "--chown=1 ", "AS ", "=", "<<EOF ", "[", "$A ", "--platform=$A ", "\\\n", "--mount=type=x ", "--link "))
	default:
		words[i] = g.value() + " "
	}
	return strings.Join(words, "")
}

func (g *generator) spoilBytes(text string) string {
	if text == "" {
		return text
	}
	i := g.IntN(len(text))
	switch g.IntN(5) {
	case 0:
		return text[:i] + text[i+1:]
	case 1:
		return text[:i] + g.pick(`"`, "'", "$", "${", "}", "\\", "`", "\n", "#", "<<", "[", "]", ",", "=", " ", "-", ":", "/", "@", "\t", "\r", "\v", "\u00a0", "\u2028", "\ufeff", "é") + text[i:]
	case 2:
		return text[:i] + string(rune(g.IntN(256))) + text[i+1:]
	case 3:
		return text[:i] + g.pick("\x00", "\x80", "\xff", "\xc3", "\xe2\x80") + text[i:]
	}
	return text[:i]
}
