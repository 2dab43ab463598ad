package differential

import (
	"math/rand/v2"
	"strings"
)

// lineGenerator generates short random Dockerfiles to test the parsers. Most of its choices
// result in valid syntax, and some result in slightly wrong syntax.
type lineGenerator struct{ *rand.Rand }

func newLines(seed uint64) lineGenerator { return lineGenerator{rand.New(rand.NewPCG(seed, 1))} }

func (g lineGenerator) pick(list ...string) string { return list[g.IntN(len(list))] }

// oneIn returns true with a probability of 1/n.
func (g lineGenerator) oneIn(n int) bool { return g.IntN(n) == 0 }

// dockerfile generates a Dockerfile with one to four instructions. Only the last instruction
// may be invalid, because both parsers stop at the first error.
func (g lineGenerator) dockerfile() []byte {
	var b strings.Builder
	b.WriteString(g.pick("", "", "", "", "", "# escape=`\n", "# syntax=x\n# escape=`\n\n", "\xef\xbb\xbf", "ARG V=1\n", "# V version\nARG V W=2\n"))
	if !g.oneIn(25) {
		b.WriteString(g.pick("FROM a\n", "FROM a AS b\n", "# b is\nFROM --platform=p a as B\n", "FROM a\nFROM a\n"))
	}
	for g.oneIn(3) {
		b.WriteString(g.pick("RUN a\n", "ENV a=b c=\"d e\"\n", "COPY <<E /x\nbody\nE\n", "\n# doc\n", "ARG x\n", "USER u\r\n"))
	}
	b.WriteString(g.instruction())
	if !g.oneIn(5) {
		b.WriteString("\n")
	}
	return []byte(b.String())
}

// instruction generates an instruction, with its continuation lines and heredocs.
func (g lineGenerator) instruction() string {
	var b strings.Builder
	for g.oneIn(4) {
		b.WriteString(g.pick("# x is x\n", "#\n", "# b stands for this\n", "\n", " # a  b\n", "# V v\n"))
	}
	line, bodies := g.line()
	if g.oneIn(8) {
		line = g.splitLine(line)
	}
	b.WriteString(g.pick("", "", "", "", " ", "\t", "\u00a0"))
	b.WriteString(line)
	b.WriteString(bodies)
	return b.String()
}

// splitLine inserts line continuations into a line of a Dockerfile.
func (g lineGenerator) splitLine(line string) string {
	words := strings.SplitAfter(line, " ")
	for i := range words {
		if g.oneIn(3) {
			words[i] += g.pick("\\\n", "\\\n  ", "\\ \n# comment\n", "\\\n\n", "`\n", "\\\r\n")
		}
	}
	return strings.Join(words, "")
}

// line generates an instruction on one line, and the bodies of the heredocs that begin in the
// line.
func (g lineGenerator) line() (line, bodies string) {
	keyword := g.pick(
		"ADD", "ARG", "CMD", "COPY", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "HEALTHCHECK",
		"LABEL", "MAINTAINER", "ONBUILD", "RUN", "RUN", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
	)
	args := g.arguments(keyword)
	if keyword == "ONBUILD" {
		switch args, bodies = g.line(); g.IntN(8) {
		case 0:
			args = g.pick("", "ONBUILD RUN x", "FROM x", "maintainer x", "FOO", "--x RUN y", "-- RUN y")
		}
	}
	if keyword == "RUN" || keyword == "COPY" || keyword == "ADD" {
		bodies = g.heredocs(args)
	}
	return g.misspell(keyword) + g.flags(keyword) + g.space() + args, bodies
}

func (g lineGenerator) space() string { return g.pick(" ", " ", " ", " ", "  ", "\t", "\v ", " \f") }

// misspell changes the case of letters in a keyword. Rarely, it replaces letters.
func (g lineGenerator) misspell(keyword string) string {
	switch g.IntN(30) {
	case 0:
		return strings.ToLower(keyword)
	case 1:
		return keyword[:1] + strings.ToLower(keyword[1:])
	case 2:
		i := g.IntN(len(keyword))
		return keyword[:i] + g.pick("", "X", "é", "-") + keyword[i+1:]
	case 3:
		i := g.IntN(len(keyword))
		return strings.ToLower(keyword[:i]) + g.pick("", "x") + strings.ToLower(keyword[i:])
	}
	return keyword
}

// heredocs generates a body for each heredoc that begins in the given arguments. Most bodies
// have a terminator.
func (g lineGenerator) heredocs(args string) string {
	var b strings.Builder
	for _, f := range strings.Fields(args) {
		_, name, ok := strings.Cut(f, "<<")
		if !ok {
			continue
		}
		name = strings.NewReplacer(`"`, "", "'", "", "-", "").Replace(name)
		b.WriteString("\n" + g.pick("", "body\n", "\ttab\n\t\ttabs $x\n", "a\r\n\nb\n"))
		if g.oneIn(25) {
			name = "X"
		}
		b.WriteString(g.pick("", "", "\t") + name)
	}
	return b.String()
}

// flagsOf maps the keyword of each instruction to examples of valid and invalid flags.
var flagsOf = map[string][]string{
	"FROM":        {"--platform=linux/amd64", "--platform=$X", "--platform", "--platfrom=x", "--platform="},
	"ADD":         {"--chown=a:b", "--chmod=644", "--link", "--keep-git-dir", "--keep-git-dir=false", "--checksum=sha256:0", "--unpack=true", "--unpack=no", "--exclude=a", "--exclude", "--from=x", "--parents", "--chmon=1"},
	"COPY":        {"--from=b", "--from=0", "--from=", "--from='a b'", "--chown=\\$a", "--chmod=u+x", "--link=TRUE", "--link=", "--link=1", "--exclude=a", "--exclude=*.é", "--parents", "--parents=False", "--checksum=x", "--form=b", "--chxod=3", "--lnik"},
	"HEALTHCHECK": {"--interval=3s", "--interval=", "--interval=1", "--interval=1us", "--interval=-3s", "--timeout=1h2m", "--timeout=x", "--start-period=0", "--start-period=1ms", "--start-interval=2x", "--start-interval=5s", "--retries=3", "--retries=-1", "--retries=x", "--retries=", "--retries=99999999999", "--retry=3", "--retries=+2"},
	"RUN":         {"--network=none", "--network=host", "--network=defualt", "--network=", "--security=insecure", "--security=x", "--sceurity=x", "--mount", "--device", "--mount=", "--device="},
}

func (g lineGenerator) flags(keyword string) string {
	list := flagsOf[keyword]
	var b strings.Builder
	chance := 12
	if list != nil {
		chance = 2
	}
	for g.oneIn(chance) {
		f := g.pick("--x", "--", "--=", "--from=x", "-x", `--"a b"=c`, "--x=y", `--lin\k`, "--é=ü", `--""`)
		switch {
		case list == nil || g.oneIn(15):
		case keyword == "RUN" && g.oneIn(2):
			f = g.insertQuotes(g.pick("--mount=", "--mount=", "--device=") + g.record())
		default:
			f = g.pick(list...)
		}
		b.WriteString(g.space() + f)
	}
	return b.String()
}

// record generates the value of a --mount or --device flag, in CSV syntax.
func (g lineGenerator) record() string {
	var fields []string
	for n := 1 + g.IntN(4); n > 0; n-- {
		fields = append(fields, g.pick(
			"type=cache", "type=bind", "TYPE=secret", "from=b", "From=c", "from=$b", "from=b$", "from=a$b", "from", "from=",
			"source=/a", "target=/x", "ro", "readonly=true", "required", "required=x", "required=false", "id=k", "uid=1",
			"vendor/class=dev", "name=dev", "NAME=x", "dev", "nmae=x", "requierd", "", "é=ü", `\"a=b,c\"`, `\"from=x\"\"\"`, `a\"b`, `\"x\"y`, "=", "from=ü",
		))
	}
	return strings.Join(fields, ",")
}

// insertQuotes inserts quotes or escape characters into the text of a flag.
func (g lineGenerator) insertQuotes(f string) string {
	i := 2 + g.IntN(len(f)-1)
	switch g.IntN(12) {
	case 0:
		return f[:i] + "'" + f[i:] + "'"
	case 1:
		return f[:i] + `"` + f[i:] + ` x"`
	case 2:
		return f[:i] + `\` + f[i:]
	case 3:
		return strings.ReplaceAll(f, `\`, "`")
	}
	return f
}

// arguments generates arguments for an instruction with the given keyword. For a misspelled
// keyword, it generates the arguments of a RUN instruction.
func (g lineGenerator) arguments(keyword string) string {
	switch keyword {
	case "FROM":
		return g.pick("a", "a", "a AS b", "a as B", "a:1@x AS b.c-d_9", "a AS", "a AS 9", "a b c", "", "a AS b c", "a AS é", "$a AS b", "a AS b$", "a aS b")
	case "ADD", "COPY":
		return g.files()
	case "ENV", "LABEL":
		return g.pick("a=b", "a=b c=d", `a="b c" 'd'=e`, "a b", "a b c=d", "=b", `a=b =c`, "a", "", "a=b c", `"a b"=c`, `a=\`, `a=b\ c`, "a\tb", `""=x`, "a=é\xff", `\`)
	case "ARG":
		return g.pick("x", "x=", "x=1", "x y=2", "=x", "x=1 =2", "", `"x=y"`, `x="a b" b`, "b", "x=y=z", `\`)
	case "EXPOSE", "VOLUME":
		return g.pick("80", "90 80", "9/tcp  $x 10 8-9", "", `["b", "a"]`, `[]`, `[" a ", ""]`, `["a"`, "b a\t c", "\u00a0", `[1]`, `[" "]`)
	case "HEALTHCHECK":
		return g.pick("CMD x", "cmd x y", `CMD ["a", "b"]`, "CMD", "CMD []", "NONE", "none", "NONE x", "NONE []", `NONE ["a"]`, "FOO x", "", "x`y", `"CMD" x`, "CMD\tx", `é"`, "CMD [\"a\", 1]")
	}
	return g.pick("x", "x", "a b  c", `["a", "b"]`, `["a\u00e9\n"]`, `[]`, `["a", 1]`, `['a']`, "", `["a"] b`, "<<E", "<<-E cat <<'F'", "a <<E <<E", `"<<E"`, "é\xff", `x\`, "3<<E")
}

// files generates the sources and the destination of an ADD or COPY.
func (g lineGenerator) files() string {
	var list []string
	for n := 1 + g.IntN(3); n > 0; n-- {
		list = append(list, g.pick("a", "b*", "$c", "https://x/y", "<<E", "<<-E", "<<'F'", `<<"G H"`, "'<<E'", "<< E", "<<E<<F", "é"))
	}
	list = append(list, g.pick("/x", "/x", "/x", "$d/", ".", "<<E", "", `"/a b"`))
	if g.oneIn(5) {
		return `["` + strings.Join(list, `", "`) + `"` + g.pick("]", "]", "] ", "", ", 1]")
	}
	return strings.Join(list, g.pick(" ", " ", " ", "  ", "\t"))
}
