package generate

import (
	"fmt"
	"strconv"
	"strings"
)

// variable returns a random variable name: of a variable that the Dockerfile sets, of a
// predefined variable, or of an unset variable.
func (g *generator) variable() string {
	return g.pick("A", "A", "B", "B", "C", "FOO", "foo", "_x1", "PATH", "HOME", "EMPTY", "LIST",
		"TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "TARGETSTAGE", "BUILDPLATFORM", "BUILDARCH",
		"HTTP_PROXY", "SOURCE_DATE_EPOCH", "UNSET", "GREETING", "é")
}

// reference generates a reference to a variable, with or without braces and modifiers.
func (g *generator) reference() string {
	v := g.variable()
	if g.chanceOfError(12) {
		return g.brokenReference(v)
	}
	switch g.IntN(14) {
	case 0, 1, 2:
		return "$" + v
	case 3, 4, 5, 6:
		return "${" + v + "}"
	case 7, 8:
		return "${" + v + g.pick(":-", ":+", "-", "+") + g.operand() + "}"
	case 9:
		return "${" + g.pick("PATH", "HOME", "A", "TARGETOS") + g.pick(":?", "?") + g.pick("", "must be set", "$B") + "}"
	case 10, 11:
		return "${" + v + g.pick("#", "##", "%", "%%") + g.pattern() + "}"
	case 12:
		return "${" + v + g.pick("/", "//") + g.pattern() + "/" + g.pick("", "r", "$B", `\/`, "a.b", "$$1") + "}"
	default:
		return "$" + g.pick("1", "10", "@", "*", "#", "?", "-", "!", "0", "$", "(cmd)", "")
	}
}

func (g *generator) brokenReference(v string) string {
	return g.pick("${", "${"+v, "${}", "${"+v+":}", "${"+v+":=x}", "${"+v+"=x}", "${"+v+"/x}", "${-}", "${"+v+":?}",
		"${"+v+"?unset}", "${UNSET:?no}", "${"+v+":-${B}", "${"+v+"#[a]}", `${`+v+`%\x}`, "${"+v+":#x}", "${${"+v+"}}", "$"+v+"}",
		"${"+v+" }", "${ "+v+"}", "${"+v+"!}", "${!"+v+"}", "${"+v+"//a}", "${"+v+":", "${"+v+"//(/x}")
}

// operand generates the text after a modifier, for example x in ${v:-x}.
func (g *generator) operand() string {
	switch g.IntN(6) {
	case 0:
		return ""
	case 1:
		return g.reference()
	case 2:
		if g.chanceOfError(2) {
			return `"quo ted"`
		}
		return g.pick(`'single'`, `"$A"`, `a\}b`)
	default:
		return g.literal()
	}
}

func (g *generator) pattern() string {
	return g.pick("*", "?", "a*", "*/", "/*", "l?n", `\*`, "x", "", "$B", "${C}", `"a"`, "*:", ":*", `\/`, "é")
}

func (g *generator) literal() string {
	return g.pick("a", "b", "x1", "val", "one", "linux", "alpine", "1.2", "a-b", "a.b", "a/b", "é", "世", "=", "a=b", "0", "true", "%s", "{}")
}

// value generates a word of quotes, escapes and variables. Blanks occur only inside quotes.
func (g *generator) value() string {
	var b strings.Builder
	for range 1 + g.IntN(3) {
		switch g.IntN(12) {
		case 0, 1, 2, 3, 4:
			b.WriteString(g.literal())
		case 5, 6, 7:
			b.WriteString(strings.TrimRight(g.reference(), " "))
		case 8:
			b.WriteString(`"` + g.literal() + " " + g.reference() + `"`)
		case 9:
			b.WriteString("'" + g.literal() + " $A'")
		case 10:
			b.WriteString(g.escape + g.pick("$", `"`, "'", "a", " ", g.escape, "n"))
		default:
			b.WriteString(g.pick(`""`, "''", `"a`+g.escape+`"b"`, ",", ";", "#", "~", "|", ">", "&", "*"))
		}
	}
	if g.chanceOfError(40) {
		b.WriteString(g.pick(`"`, "'", g.escape, "${"))
	}
	return b.String()
}

// key generates a name for ARG, ENV or LABEL.
func (g *generator) key() string {
	if g.chanceOfError(40) {
		return g.pick("", "1A", "A B", "$A", `"A"`, "a.b", "A-B", "${", "=")
	}
	return g.variable()
}

// simpleValue returns a random element of a list or, rarely, a variable reference or another
// word. The result is usually valid in every instruction that expands variables.
func (g *generator) simpleValue(list ...string) string {
	if g.chance(8) {
		return g.pick("${A:-"+list[0]+"}", "${UNSET-"+list[0]+"}", "$A", "${B}")
	}
	if g.chanceOfError(15) {
		return g.value()
	}
	return g.pick(list...)
}

// path generates a source or destination path for an instruction such as COPY.
func (g *generator) path() string {
	if g.windows && g.chance(2) {
		return g.windowsPath()
	}
	switch g.IntN(10) {
	case 0:
		return g.pick("*.go", "d?r/*", "[ab]c", "**/x", `a\*b`, "*")
	case 1:
		return g.pick(".", "./", "/", "..", "../up", "a/../b", "/a/./b", "a//b", "./a/./b", "a/.", "/.", "") + g.pick("", "x")
	case 2:
		return g.pick("$A", "${B}", "/$A/x", "${A:-dir}/", "x$UNSET", "${PATH##*:}")
	case 3:
		return g.value()
	default:
		return g.pick("a", "b.txt", "dir", "dir/", "/abs", "/abs/x/", "src/main.go", "/usr/local/bin/", "x y", "é", "Dockerfile", "/a:b")
	}
}

func (g *generator) windowsPath() string {
	return g.pick(`C:\x`, "c:/x/", `C:\`, "C:/", `dir\sub`, `\abs`, `C:rel`, `.\x`, `..\x`, `a\..\b\`, "C:/Program/", `c:\$A`, `C:\x\.`) +
		g.invalidText(20, `D:\x`, "C:", `\\server\share`, `\\?\C:\x`, "d:/", "CC:/x", "C::/", `//server/share`)
}

// invalidText returns a random element of a list with a probability of 1/n, and otherwise "".
// If the build must not contain errors, it always returns "".
func (g *generator) invalidText(n int, list ...string) string {
	if g.chanceOfError(n) {
		return g.pick(list...)
	}
	return ""
}

// jsonArray returns the given words as a JSON array. If the build may contain errors, the array
// may be invalid.
func (g *generator) jsonArray(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	s := "[" + strings.Join(quoted, g.pick(", ", ",", " , ")) + "]"
	if g.chanceOfError(12) {
		return g.pick("["+strings.Join(words, ", ")+"]", s+" x", s+",", strings.ReplaceAll(s, `"`, "'"), "[1, 2]", `["a", 1]`, "[", s[:len(s)-1],
			`[["a"]]`, `["a",]`, "[]", `[""]`, `[null]`, `["\x"]`, s+s, " "+s+" ")
	}
	return s
}

// optionalText returns a formatted text with a probability of 1/n, and otherwise "". The
// parameters format and args have the same meaning as in fmt.Sprintf.
func (g *generator) optionalText(n int, format string, args ...any) string {
	if g.chance(n) {
		return fmt.Sprintf(format, args...)
	}
	return ""
}
