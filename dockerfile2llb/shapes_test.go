package dockerfile2llb_test

import (
	"fmt"
	"strings"
)

// repeatLines returns a generator of Dockerfiles of about n bytes. Each Dockerfile has one
// stage, which repeats the lines in unit.
func repeatLines(unit string) func(int) string {
	return func(n int) string { return "FROM scratch\n" + strings.Repeat(unit, n/len(unit)) }
}

// nestParts returns a generator of texts of about n bytes with nested constructs. A text
// consists of pre, repetitions of open, the text mid, equally many repetitions of cl, and post.
func nestParts(pre, open, mid, cl, post string) func(int) string {
	return func(n int) string {
		k := n / (len(open) + len(cl))
		return pre + strings.Repeat(open, k) + mid + strings.Repeat(cl, k) + post
	}
}

// fillBetween returns a generator of texts of about n bytes. The generator repeats unit between
// the texts pre and post.
func fillBetween(pre, unit, post string) func(int) string {
	return func(n int) string { return pre + strings.Repeat(unit, n/len(unit)) + post }
}

// countLines returns a generator of texts of about n bytes. A text consists of pre and of lines
// that are formatted with the format f. The arguments of f are the number of the line, starting
// at 0, and the number of the next line.
func countLines(pre string, f string) func(int) string {
	return func(n int) string {
		var b strings.Builder
		b.WriteString(pre)
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, f, i, i+1)
		}
		return b.String()
	}
}

// shape is a kind of Dockerfile that can be generated in any size.
type shape struct {
	name   string
	text   func(int) string
	copies bool // each stage copies its base, up to the limit
	square bool // the result grows quadratically
	slow   bool // a line takes so long that a quarter of the bytes is enough
}

// shapes lists generators of files of about n bytes that stress parsers, for example with deep
// nesting or many variables.
var shapes = []shape{
	{name: "run", text: repeatLines("RUN x\n")},
	{name: "run-long", text: repeatLines("RUN " + strings.Repeat("x", 100) + "\n")},
	{name: "env-same", text: repeatLines("ENV a=b\n")},
	{name: "env-new", text: countLines("FROM scratch\n", "ENV a%[1]d=b\n")},
	{name: "env-run", square: true, text: countLines("FROM scratch\n", "ENV a%[1]d=b\nRUN x\n")},
	{name: "arg-new", text: countLines("FROM scratch\n", "ARG a%[1]d=b\n")},
	{name: "arg-run", square: true, text: countLines("FROM scratch\n", "ARG a%[1]d=b\nRUN x\n")},
	{name: "arg-same-run", text: repeatLines("ARG a=b\nRUN x\n")},
	{name: "arg-global", text: func(n int) string { return strings.Repeat("ARG a=$a\n", n/9) + "FROM scratch\n" }},
	{name: "arg-global-new", text: func(n int) string { return countLines("", "ARG a%[1]d=b\n")(n) + "FROM scratch\n" }},
	{name: "arg-cycle", text: repeatLines("ARG a=$b\nARG b=$a\n")},
	{name: "env-one-line", text: fillBetween("FROM scratch\nENV", " a=b", "\n")},
	{name: "env-one-line-new", text: func(n int) string { return "FROM scratch\nENV" + countLines("", " a%[1]d=b")(n) + "\n" }},
	{name: "label-one-line-new", text: func(n int) string { return "FROM scratch\nLABEL" + countLines("", " a%[1]d=b")(n) + "\n" }},
	{name: "label-new", text: countLines("FROM scratch\n", "LABEL a%[1]d=b\n")},
	{name: "env-double", text: repeatLines("ENV A=$A$A\n")},
	{name: "env-double-b", text: func(n int) string { return "FROM scratch\nENV A=xxxxxxxx\n" + strings.Repeat("ENV A=$A$A\n", n/11) }},
	{name: "env-big-use", text: func(n int) string {
		return "FROM scratch\nENV A=" + strings.Repeat("x", n/2) + "\n" + strings.Repeat("ENV B=x$A\n", n/20)
	}},
	{name: "env-big-run", text: func(n int) string {
		return "FROM scratch\nENV A=" + strings.Repeat("x", n/2) + "\n" + strings.Repeat("RUN x\n", n/12)
	}},
	{name: "env-big-workdir", text: func(n int) string {
		return "FROM scratch\nENV A=" + strings.Repeat("x", n/2) + "\n" + strings.Repeat("WORKDIR $A\n", n/22)
	}},
	{name: "env-big-runname", text: func(n int) string {
		return "FROM scratch\nENV A=" + strings.Repeat("x", n/2) + "\n" + strings.Repeat("RUN echo $A\n", n/24)
	}},
	{name: "workdir-rel", text: repeatLines("WORKDIR a\n")},
	{name: "workdir-abs", text: repeatLines("WORKDIR /a\n")},
	{name: "user", text: repeatLines("USER a\n")},
	{name: "volume", text: countLines("FROM scratch\n", "VOLUME /a%[1]d\n")},
	{name: "stages", text: repeatLines("FROM scratch\n")},
	{name: "stages-chain", text: func(n int) string { return countLines("FROM scratch AS s0\n", "FROM s%[1]d AS s%[2]d\n")(n) }},
	{name: "stages-chain-run", text: func(n int) string { return countLines("FROM scratch AS s0\n", "FROM s%[1]d AS s%[2]d\nRUN x\n")(n) }},
	{name: "stages-chain-env", copies: true, slow: true, text: func(n int) string {
		return countLines("FROM scratch AS s0\n", "FROM s%[1]d AS s%[2]d\nENV a%[1]d=b\n")(n)
	}},
	{name: "stages-copy", text: func(n int) string {
		return countLines("FROM scratch AS s0\n", "FROM scratch AS s%[2]d\nCOPY --from=s%[1]d a b\n")(n)
	}},
	{name: "stages-fan", text: func(n int) string {
		return countLines("", "FROM scratch AS s%[1]d\nRUN x\n")(n/2) + "FROM scratch\n" + countLines("", "COPY --from=s%[1]d a b\n")(n/4)
	}},
	{name: "stages-images", text: countLines("", "FROM img%[1]d\n")},
	{name: "stages-images-used", text: func(n int) string {
		return countLines("", "FROM img%[1]d AS s%[1]d\n")(n/2) + "FROM scratch\n" + countLines("", "COPY --from=s%[1]d a b\n")(n/2)
	}},
	{name: "stages-implicit", text: countLines("FROM scratch\n", "COPY --from=img%[1]d a b\n")},
	{name: "stage-name", text: fillBetween("FROM scratch AS ", "x", "\nRUN x\nRUN y\n")},
	{name: "from-long", text: fillBetween("FROM ", "x", "\n")},
	{name: "copy", text: repeatLines("COPY a b\n")},
	{name: "copy-many", text: fillBetween("FROM scratch\nCOPY", " a", " /\n")},
	{name: "copy-many-new", text: func(n int) string { return "FROM scratch\nCOPY" + countLines("", " a%[1]d")(n) + " /\n" }},
	{name: "copy-heredocs", text: func(n int) string { return "FROM scratch\n" + strings.Repeat("COPY <<E /\nx\nE\n", n/15) }},
	{name: "copy-heredocs-one", text: func(n int) string {
		return "FROM scratch\nCOPY" + strings.Repeat(" <<E", n/15) + " /\n" + strings.Repeat("x\nE\n", n/15)
	}},
	{name: "copy-exclude", text: func(n int) string { return "FROM scratch\nCOPY" + strings.Repeat(" --exclude=a", n/12) + " a b\n" }},
	{name: "copy-flags-dup", text: func(n int) string { return "FROM scratch\nCOPY" + strings.Repeat(" --link", n/7) + " a b\n" }},
	{name: "flag-long", text: fillBetween("FROM scratch\nCOPY --chown=", "x", " a b\n")},
	{name: "flag-unknown-long", text: fillBetween("FROM scratch\nCOPY --", "x", " a b\n")},
	{name: "keyword-long", text: fillBetween("FROM scratch\n", "x", " a b\n")},
	{name: "trigger-chain", text: func(n int) string { // each link takes another round of loading
		var b strings.Builder
		b.WriteString("FROM scratch AS c0\n")
		for i := 1; b.Len() < n; i++ {
			fmt.Fprintf(&b, "FROM scratch AS p%[1]d\nONBUILD COPY --from=c%[2]d / /\nFROM p%[1]d AS c%[1]d\n", i, i-1)
		}
		return b.String()
	}},
	{name: "target-typo", text: countLines("FROM scratch\n", "FROM scratch AS s%[1]d\n")},
	{name: "from-typo-many", text: func(n int) string {
		return countLines("FROM scratch\n", "FROM scratch AS s%[1]d\n")(n) + "FROM nosuch:missing\n"
	}},
	{name: "braces-open", text: fillBetween("FROM scratch\nENV a=", "${", "\n")},
	{name: "braces-open-b", text: fillBetween("FROM scratch\nENV a=", "${a", "\n")},
	{name: "braces-open-c", text: fillBetween("FROM scratch\nENV a=", "${a:-", "\n")},
	{name: "braces-open-d", text: fillBetween("FROM scratch\nENV a=", "${a//", "\n")},
	{name: "braces-open-e", text: fillBetween("FROM scratch\nENV a=", "${a#", "\n")},
	{name: "braces-open-f", text: fillBetween("FROM scratch\nRUN ", "${", "\n")},
	{name: "braces-open-g", text: fillBetween("FROM scratch\nCOPY a ", "${a:-", "\n")},
	{name: "braces-nestParts", text: nestParts("FROM scratch\nENV a=", "${a:-", "x", "}", "\n")},
	{name: "braces-nestParts-run", text: nestParts("FROM scratch\nRUN ", "${a:-", "x", "}", "\n")},
	{name: "braces-nestParts-q", text: nestParts("FROM scratch\nENV a=", "\"${a:-", "x", "}\"", "\n")},
	{name: "braces-nestParts-slash", text: nestParts("FROM scratch\nENV a=", "${a/", "x", "/b}", "\n")},
	{name: "braces-nestParts-plus", text: nestParts("FROM scratch\nENV a=b\nENV a=", "${a:+", "x", "}", "\n")},
	{name: "braces-900", text: func(n int) string {
		u := strings.Repeat("${a:-", 900) + "x" + strings.Repeat("}", 900)
		return "FROM scratch\n" + strings.Repeat("ENV b="+u+"\n", n/len(u))
	}},
	{name: "braces-flat", text: fillBetween("FROM scratch\nENV b=", "${a:-x}", "\n")},
	{name: "braces-flat-new", text: func(n int) string { return "FROM scratch\nENV b=" + countLines("", "${a%[1]d:-x}")(n) + "\n" }},
	{name: "dollar-flat-new", text: func(n int) string { return "FROM scratch\nENV b=" + countLines("", "$a%[1]d.")(n) + "\n" }},
	{name: "unset-lines", text: countLines("FROM scratch\n", "ENV b=$a%[1]d\n")},
	{name: "unset-lines-run", text: countLines("FROM scratch\n", "RUN $a%[1]d\n")},
	{name: "pattern-back", text: func(n int) string {
		return "FROM scratch\nENV v=" + strings.Repeat("a", n/2) + "\nENV w=${v//" + strings.Repeat("*a", n/4) + "b/x}\n"
	}},
	{name: "pattern-q", text: func(n int) string {
		return "FROM scratch\nENV v=" + strings.Repeat("a", n/2) + "\nENV w=${v//" + strings.Repeat("?", n/4) + "b/x}\n"
	}},
	{name: "pattern-qs", text: func(n int) string {
		return "FROM scratch\nENV v=" + strings.Repeat("a", n/2) + "\nENV w=${v//" + strings.Repeat("?*", n/8) + "b/x}\n"
	}},
	{name: "pattern-suffix", text: func(n int) string {
		return "FROM scratch\nENV v=" + strings.Repeat("a", n/2) + "\nENV w=${v%%" + strings.Repeat("*a", n/4) + "b}\n"
	}},
	{name: "pattern-ab", text: func(n int) string {
		return "FROM scratch\nENV v=" + strings.Repeat("a", n/2) + "\nENV w=${v//" + strings.Repeat("a", n/4) + "b/x}\n"
	}},
	{name: "pattern-many", slow: true, text: func(n int) string {
		return "FROM scratch\nENV v=" + strings.Repeat("a", n/2) + "\n" + strings.Repeat("ENV w=${v//a/}\n", n/30)
	}},
	{name: "pattern-grow", text: func(n int) string {
		return "FROM scratch\nENV v=" + strings.Repeat("a", n/2) + "\nENV w=${v//a/" + strings.Repeat("b", n/2) + "}\n"
	}},
	{name: "quote-open", text: fillBetween("FROM scratch\nENV a=\"", "x", "\n")},
	{name: "quotes", text: fillBetween("FROM scratch\nENV a=", "'x'", "\n")},
	{name: "backslashes", text: fillBetween("FROM scratch\nENV a=", "\\\\", "x\n")},
	{name: "continuation", text: fillBetween("FROM scratch\nRUN x", " \\\n", "\n")},
	{name: "continuation-b", text: fillBetween("FROM scratch\nRUN x", " \\\n y", "\n")},
	{name: "continuation-comments", text: fillBetween("FROM scratch\nRUN x \\\n", "# c\n", "y\n")},
	{name: "continuation-empty", text: fillBetween("FROM scratch\nRUN x \\\n", "\n", "y\n")},
	{name: "continuation-error", text: fillBetween("FROM scratch\nENV x", " \\\n y", "\n")},
	{name: "comments", text: fillBetween("", "# c\n", "FROM scratch\n")},
	{name: "comments-arg", text: repeatLines("# a c\nARG a\n")},
	{name: "blank", text: fillBetween("", "\n", "FROM scratch\n")},
	{name: "heredoc-long", text: fillBetween("FROM scratch\nRUN <<E\n", "x\n", "E\n")},
	{name: "heredoc-copy-long", text: fillBetween("FROM scratch\nCOPY <<E /\n", "$x\n", "E\n")},
	{name: "heredoc-open", text: fillBetween("FROM scratch\nRUN <<E\n", "x\n", "")},
	{name: "heredocs-open-many", text: fillBetween("FROM scratch\nRUN", " <<E", "\n")},
	{name: "heredocs-many", text: func(n int) string {
		return "FROM scratch\nRUN x" + strings.Repeat(" <<E", n/8) + "\n" + strings.Repeat("E\n", n/8)
	}},
	{name: "heredocs-lines", text: repeatLines("RUN <<E\nx\nE\n")},
	{name: "heredoc-onbuild", text: fillBetween("FROM scratch\nONBUILD RUN <<E\n", "x\n", "E\nFROM a\n")},
	{name: "less", text: fillBetween("FROM scratch\nRUN ", "<", "\n")},
	{name: "less-sp", text: fillBetween("FROM scratch\nRUN ", "<< ", "\n")},
	{name: "line-65535", text: func(n int) string {
		l := "RUN " + strings.Repeat("x", 65531) + "\n"
		return "FROM scratch\n" + strings.Repeat(l, n/len(l)+1)
	}},
	{name: "line-too-long", text: fillBetween("FROM scratch\nRUN ", "x", "\n")},
	{name: "json-deep", text: nestParts("FROM scratch\nRUN ", "[", "", "]", "\n")},
	{name: "json-deep-obj", text: nestParts("FROM scratch\nRUN [", "{\"a\":", "1", "}", "]\n")},
	{name: "json-many", text: func(n int) string { return "FROM scratch\nRUN [\"a\"" + strings.Repeat(",\"a\"", n/4) + "]\n" }},
	{name: "json-open", text: func(n int) string { return "FROM scratch\nRUN [\"a\"" + strings.Repeat(",\"a\"", n/4) + "\n" }},
	{name: "json-bad", text: func(n int) string { return "FROM scratch\nCOPY [\"a\"" + strings.Repeat(",\"a\"", n/4) + ",1]\n" }},
	{name: "json-lines", text: repeatLines("RUN [\"a\", \"b\"]\n")},
	{name: "expose-range", slow: true, text: repeatLines("EXPOSE 0-65535\n")},
	{name: "expose-range-one", slow: true, text: fillBetween("FROM scratch\nEXPOSE", " 0-65535", "\n")},
	{name: "expose-many", text: countLines("FROM scratch\n", "EXPOSE %[1]d\n")},
	{name: "expose-colons", text: fillBetween("FROM scratch\nEXPOSE ", ":", "80\n")},
	{name: "mount-keys", text: func(n int) string {
		return "FROM scratch\nRUN --mount=type=cache" + strings.Repeat(",target=/x", n/10) + " x\n"
	}},
	{name: "mount-csv-quotes", text: func(n int) string {
		return "FROM scratch\nRUN --mount=type=cache" + strings.Repeat(",\\\"target=/x\\\"", n/14) + " x\n"
	}},
	{name: "mount-bad-key", text: func(n int) string {
		return "FROM scratch\nRUN --mount=type=cache" + strings.Repeat(",target=/x", n/10) + ",bad=x x\n"
	}},
	{name: "mounts", text: func(n int) string { return "FROM scratch\nRUN" + strings.Repeat(" --mount=target=/x", n/18) + " x\n" }},
	{name: "mounts-images", text: func(n int) string {
		return "FROM scratch\nRUN" + countLines("", " --mount=target=/x,from=i%[1]d")(n) + " x\n"
	}},
	{name: "devices", text: func(n int) string { return "FROM scratch\nRUN" + strings.Repeat(" --device=a", n/11) + " x\n" }},
	{name: "onbuild-file", text: repeatLines("ONBUILD RUN x\n")},
	{name: "onbuild-file-used", text: func(n int) string {
		return "FROM scratch AS a\n" + strings.Repeat("ONBUILD RUN x\n", n/14) + "FROM a\n"
	}},
	{name: "onbuild-fan", text: func(n int) string {
		return "FROM scratch AS a\n" + strings.Repeat("ONBUILD RUN x\n", n/28) + strings.Repeat("FROM a\n", n/14)
	}},
	{name: "onbuild-chain", text: func(n int) string {
		return countLines("FROM scratch AS s0\n", "ONBUILD COPY --from=s%[1]d a b\nFROM s%[1]d AS s%[2]d\n")(n)
	}},
	{name: "onbuild-nestParts", text: fillBetween("FROM scratch\n", "ONBUILD ", "RUN x\n")},
	{name: "nul", text: fillBetween("FROM scratch\nRUN ", "\x00", "\n")},
	{name: "utf8", text: fillBetween("FROM scratch\nENV a=", "\xff", "\n")},
	{name: "utf8-flag", text: fillBetween("FROM scratch\nCOPY --chown=", "\xff", " a b\n")},
	{name: "crlf", text: repeatLines("RUN x \\\r\n y\r\n")},
	{name: "directives", text: countLines("", "# a%[1]d=b\n")},
	{name: "healthcheck", text: repeatLines("HEALTHCHECK CMD x\n")},
	{name: "cmd", text: repeatLines("CMD x\n")},
	{name: "shell", text: repeatLines("SHELL [\"a\"]\n")},
	{name: "stopsignal", text: repeatLines("STOPSIGNAL 9\n")},
	{name: "maintainer", text: repeatLines("MAINTAINER x\n")},
	{name: "add-http", text: repeatLines("ADD https://e/f /x\n")},
	{name: "add-git", text: repeatLines("ADD https://e/f.git /x\n")},
	{name: "unknown", text: repeatLines("X\n")},
	{name: "bad-flags", text: repeatLines("RUN --x\n")},
	{name: "before-from", text: fillBetween("", "RUN x\n", "FROM scratch\n")},
}
