package generate

import (
	"fmt"
	"strings"
)

// instruction generates an instruction with its heredocs. The result has no final line end.
func (g *generator) instruction() string {
	if g.chanceOfError(60) {
		return g.pick("NOSUCH thing", "RUNN x", "COPPY a b", "FRO alpine", "ONBUILD", "\"RUN\" x", "RUN:x", "from", "ENV")
	}
	switch n := g.IntN(40); {
	case n < 7:
		return "RUN" + g.run()
	case n < 12:
		return "COPY " + g.copyWords()
	case n < 15:
		return "ADD " + g.addWords()
	case n < 19:
		return "ENV " + g.pairs()
	case n < 24:
		return "ARG " + g.arg()
	case n < 27:
		return "WORKDIR " + g.path()
	case n < 29:
		return "LABEL " + g.pairs()
	case n < 31:
		return "USER " + g.simpleValue("root", "app", "1000:1000", "app:staff", "${A}", "ContainerUser", "a b", "0")
	}
	return g.configInstruction()
}

// configInstruction generates one of the less frequent instructions, such as EXPOSE, CMD or
// VOLUME.
func (g *generator) configInstruction() string {
	switch g.IntN(9) {
	case 0:
		return "EXPOSE " + g.repeat(" ", g.port)
	case 1:
		return "CMD" + g.command()
	case 2:
		return "ENTRYPOINT" + g.command()
	case 3:
		return "HEALTHCHECK " + g.healthcheck()
	case 4:
		return "VOLUME " + g.volume()
	case 5:
		return "STOPSIGNAL " + g.simpleValue("SIGTERM", "9", "TERM", "SIGRTMIN+3", "sigkill", "15") + g.invalidText(6, "x", " SIGINT", "0")
	case 6:
		return "SHELL " + g.shell()
	case 7:
		return "MAINTAINER " + g.pick("me", "A Name <a@b.c>", "$A", `"quoted"`) + g.invalidText(8, " ", "${")
	}
	return g.trigger()
}

func (g *generator) trigger() string {
	if g.inTrigger {
		return "ONBUILD " + g.pick("RUN x", "ONBUILD RUN x", "FROM alpine")
	}
	if g.chanceOfError(6) {
		return "ONBUILD " + g.pick("FROM alpine", "ONBUILD RUN x", "MAINTAINER me", "", "nosuch x", "run", "COPY a", "ONBUILD", "# a", "--x RUN a", "HEALTHCHECK")
	}
	g.inTrigger = true
	defer func() { g.inTrigger = false }()
	return g.pick("ONBUILD ", "ONBUILD  ", "ONBUILD ", "ONBUILD\t") + g.recase(g.instruction())
}

func (g *generator) pairs() string {
	if g.chance(8) {
		return g.key() + " " + g.pick("some words", g.value(), `a=b`, `"q"  x`, "$A  $B", `x \\ y`)
	}
	return g.repeat(g.pick(" ", " ", "  ", "\t"), func() string {
		if g.chanceOfError(30) {
			return g.pick("novalue", "=x", "k=", "=", `"k`, `k="a`, "k=a b")
		}
		return g.key() + "=" + g.value()
	})
}

func (g *generator) arg() string {
	if g.chance(12) {
		return g.pick("TARGETPLATFORM", "TARGETARCH TARGETOS", "BUILDPLATFORM BUILDARCH", "HTTP_PROXY", "http_proxy=x", "SOURCE_DATE_EPOCH", "BUILDKIT_SBOM_SCAN_STAGE=true", "TARGETSTAGE", "TARGETVARIANT=v8", "TARGETOS=windows TARGETARCH=arm")
	}
	return g.invalidText(40, "--x ", "--x=1 ", "-- ") + g.repeat(" ", func() string {
		if g.chanceOfError(40) {
			return g.pick("=x", "=", "A=\"x", "'", "A='a", "A B=c d")
		}
		if g.chance(3) {
			return g.key()
		}
		return g.key() + "=" + g.value()
	})
}

func (g *generator) port() string {
	if g.chanceOfError(6) {
		return g.pick("x", "80/x", "70000", "90-80", "1-3:1-2", "1.2.3:80:80", "[::1]:80:80", ":80", "80:", "", "-1", "80/tcp/udp", "80-", "host:1:2", "80,81", "${", "1-")
	}
	return g.pick("80", "443/tcp", "53/udp", "9/SCTP", "8000-8003", "1000:2000", "127.0.0.1:1:2", "1-2:3-4/udp", "$A", "${UNSET:-90}", "${A:-1 2}", `"5 6"`, "080", "0", "65535", "[::1]:1:2/tcp", "80/TCP", "${TARGETARCH:+99}")
}

func (g *generator) command() string {
	switch g.IntN(5) {
	case 0:
		return g.pick("", " ", " []", ` [""]`)
	case 1, 2:
		return " " + g.jsonArray(g.sample([]string{"/bin/app", "-x", "$A", "a b", `C:\x`, "é", "\"q\"", "--flag=1", ""}, 3)...)
	}
	return " " + g.pick("echo $A", "exec /bin/x --y", `a "b c" 'd'`, "a && b || c", "powershell -c x", `C:\run.exe`, "[ -f x ] && y", "#x", "a; # b")
}

func (g *generator) healthcheck() string {
	var b strings.Builder
	for _, flag := range []string{"interval", "timeout", "start-period", "start-interval"} {
		if !g.chance(4) {
			continue
		}
		fmt.Fprintf(&b, "--%s=%s ", flag, g.pick("30s", "1m30s", "5ms", "0", "1h", "0s", "1ms")+g.invalidText(6, "x", "1us", "-1s", "", "s", "$A", "500us"))
	}
	b.WriteString(g.optionalText(3, "--retries=%s ", g.pick("3", "0", "1", "03", "+2")+g.invalidText(6, "x", "-1", "99999999999", "")))
	b.WriteString(g.invalidText(20, "--retries ", "--intervall=1s ", "--mount=x ", "--interval=1s --interval=2s "))
	if g.chance(4) {
		return b.String() + g.pick("NONE", "none", "None") + g.invalidText(4, " x", " --x")
	}
	if g.chanceOfError(8) {
		return b.String() + g.pick("", "CMD", "cmd ", "EXEC x", "CMD []", "'CMD' x", "x")
	}
	return b.String() + g.pick("CMD", "CMD", "cmd") + " " + strings.TrimLeft(g.command(), " ") + g.pick("x", "", "y z")
}

func (g *generator) volume() string {
	if g.chance(3) {
		return g.jsonArray(g.sample([]string{"/data", "/a b", "${A:-v}", " x ", `C:\v`}, 3)...)
	}
	return g.repeat(" ", func() string {
		return g.simpleValue("/data", "/var/log", "rel", "/v$A", "${UNSET:-/v}", `"/q"`, `/a\ b`)
	})
}

func (g *generator) shell() string {
	if g.chanceOfError(5) {
		return g.pick("/bin/sh -c", "[]", "", "['sh']", `["sh", 1]`, `["a"] x`, `"sh"`)
	}
	return g.jsonArray(g.sample([]string{"/bin/bash", "-o", "pipefail", "-c", "powershell", "-Command", "cmd", "/S", "/C", "$A"}, 3)...)
}

// heredocs appends a heredoc for each of the given names to a line. Some of the heredocs lack a
// terminator.
func (g *generator) heredocs(line string, names ...string) string {
	var b strings.Builder
	b.WriteString(line)
	for _, n := range names {
		for range g.IntN(4) {
			b.WriteString("\n" + g.pick("", "\t", "\t\t", "  ") + g.pick("echo $A", "line ${B}", `a \$b \x \\ "q" 'r'`, "#!/bin/sh", "#comment", "", "${A:-x}", "<<X", "EOF2", `tail \`, "é", "RUN x", `a"`) +
				g.invalidText(12, " ${", "${A", "$", " ${A:?no}", "${UNSET:?}"))
		}
		if g.chanceOfError(25) {
			continue // omit the terminator
		}
		b.WriteString("\n" + n + g.optionalText(30, " "))
	}
	return b.String()
}

// heredocWord returns a word that starts a heredoc, such as <<-"EOF".
func (g *generator) heredocWord(name string) string {
	return g.optionalText(10, "3") + g.pick("<<", "<<", "<<-", "<<  ") + g.pick(name, name, `"`+name+`"`, "'"+name+"'") + g.invalidText(30, "<", `"`, "$")
}
