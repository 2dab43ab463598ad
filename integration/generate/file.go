package generate

import (
	"fmt"
	"strings"
)

// dockerfile generates the text of the Dockerfile, from parser directives to the last
// stage.
func (g *generator) dockerfile() string {
	var b strings.Builder
	b.WriteString(g.directives())
	for g.chance(3) {
		b.WriteString(g.formatInstruction("ARG " + g.globalArg()))
	}
	n := 1 + g.IntN(4)
	if g.chance(30) {
		n += g.IntN(9)
	}
	for i := range n {
		b.WriteString(g.formatInstruction("FROM " + g.from(i)))
		for range g.IntN(7) {
			b.WriteString(g.formatInstruction(g.instruction()))
		}
	}
	text := b.String()
	if g.chance(5) {
		for range 1 + g.IntN(2) {
			text = g.corrupt(text)
		}
	}
	return g.changeEnds(text)
}

// changeEnds changes a Dockerfile at random: it changes the line ends, adds a byte order mark
// at the start, adds text at the end, or removes the final line end.
func (g *generator) changeEnds(text string) string {
	if g.chance(25) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if g.chance(50) {
		text = "\ufeff" + text
	}
	switch g.IntN(20) {
	case 0:
		text = strings.TrimRight(text, "\r\n")
	case 1:
		text += g.pick(" ", "#", "# end", g.escape, "\n\n", "\t\n", "RUN a "+g.escape)
	}
	return text
}

func (g *generator) directives() string {
	var b strings.Builder
	if g.chance(30) {
		b.WriteString(g.pick("#!/usr/bin/env docker\n", "# a comment\n", "\n", "# name=value\n"))
	}
	if g.windows && g.chance(2) || g.chance(25) {
		g.escape = "`"
		b.WriteString(g.pick("# escape=`\n", "#escape = `\n", "# ESCAPE=`\r\n"))
	}
	if g.chance(30) {
		b.WriteString(g.pick("# escape=\\\n", "# check=skip=all\n", "# check=skip=JSONArgsRecommended;experimental=all\n", "# check=error=false\n", "#check=experimental=all \n"))
	}
	if g.chanceOfError(40) {
		b.WriteString(g.pick("# escape=x\n", "# escape=`\n# escape=`\n", "# escape=\n", "# syntax=docker/dockerfile:1\n"))
	}
	return b.String()
}

func (g *generator) globalArg() string {
	switch g.IntN(8) {
	case 0:
		return "BASE=" + g.pick("alpine", "busybox", "scratch", "${TARGETOS}x", "golang:${A:-1}")
	case 1:
		return g.pick("TARGETARCH", "TARGETPLATFORM", "SOURCE_DATE_EPOCH=1700000000", "SOURCE_DATE_EPOCH", "BUILDPLATFORM", "TARGETOS=linux", "HTTP_PROXY")
	case 2:
		return g.arg()
	}
	return g.pick("A", "B", "C", "FOO") + g.pick("=one", "=two", "", "=", "=a/b:c", "=$A", "=${B:-x}", "=alpine", "='q $A'", "=${TARGETARCH}") + g.invalidText(10, " D=${A:?}", " E=${", " =x", " A B")
}

// from generates the arguments of the FROM instruction of stage number i. If the stage has a
// name, later instructions can use it.
func (g *generator) from(i int) string {
	var b strings.Builder
	if g.chance(8) {
		fmt.Fprintf(&b, "--platform=%s ", g.simpleValue("linux/amd64", "linux/arm64", "$BUILDPLATFORM", "${TARGETPLATFORM}", "windows/amd64", "linux/arm/v7", "linux", "amd64", "$TARGETOS/$TARGETARCH"))
	}
	base := g.base()
	b.WriteString(base)
	name := ""
	if g.chance(2) {
		name = g.pick("base", "build", "dev", "s"+string(rune('0'+i)), "Mixed", "a.b-c_d", "tools", "alpine") + g.invalidText(30, "$A", "!", "é")
		b.WriteString(g.pick(" AS ", " AS ", " as ", " As ") + name)
		g.stages = append(g.stages, strings.ToLower(name))
	}
	if g.chanceOfError(40) {
		b.WriteString(g.pick(" AS", " x", " AS a b", " FOR x", " --platform=linux/arm64", " AS 1a", " AS scratch", " AS context"))
	}
	return b.String()
}

func (g *generator) base() string {
	if len(g.stages) > 0 && g.chance(3) {
		s := g.pick(g.stages...)
		if g.chance(20) {
			return strings.ToUpper(s)
		}
		return s
	}
	if len(g.bases) > 0 && g.chance(4) {
		return g.pick(g.bases...)
	}
	if g.chance(8) {
		return g.pick("${BASE:-alpine}", "${BASE:-busybox:$TARGETARCH}", "alpine:${TARGETARCH}", "${A:-busybox}", "${UNSET:-scratch}", `"alpine"`, "${A:+alpine:}${A:-busybox}", "${TARGETOS:+ubuntu}") + g.invalidText(4, "$", "${", "\"", "$BASE", `al\pine`, "${BASE:+busybox}", "${TARGETSTAGE}")
	}
	return g.image()
}

func (g *generator) image() string {
	if g.windows && g.chance(2) {
		return g.pick("mcr.microsoft.com/windows/nanoserver:ltsc2022", "mcr.microsoft.com/windows/servercore")
	}
	if g.chanceOfError(10) {
		return g.pick("nosuch/image", "alpine:missing", "UPPER", "a:b:c", "alpin", "golnag:latest", "Scratch", "example.com/badconfig", "example.com/onbuild-bad",
			"alpine@sha256:0", "example.com/arm64only", "-x", "base", "later", "docker.io/library/nosuch", "stage-0", "context", "a@b", ":", "alpine:")
	}
	return g.pick("alpine", "alpine", "busybox", "scratch", "ubuntu:24.04", "debian", "python:3", "golang", "nginx", "docker.io/library/alpine:latest",
		"alpine@sha256:0123456789012345678901234567890123456789012345678901234567890123", "example.com/rich", "example.com/onbuild",
		"example.com/onbuild-deps", "example.com/nopath", "example.com/nolayers", "example.com/unknownfields", "example.com/amd64",
		"mcr.microsoft.com/windows/nanoserver")
}

// images sometimes adds image configs to the test case, with random creation times, platforms
// and ONBUILD triggers.
func (g *generator) images() {
	if !g.chance(5) {
		return
	}
	var onbuild []string
	g.inTrigger = true
	for range g.IntN(4) {
		onbuild = append(onbuild, g.instruction())
	}
	g.inTrigger = false
	config := fmt.Sprintf(`{"architecture":%s,"os":%s,"config":{"OnBuild":[%s],"Env":[%s],"WorkingDir":%s,"User":%s},"rootfs":{"type":"layers","diff_ids":[%s]}}`,
		quote(g.pick("amd64", "arm64", "", "arm")), quote(g.pick("linux", "linux", "linux", "windows", "")),
		quoteAll(onbuild), quoteAll(g.sample([]string{"PATH=/p", "A=1", "A=2", "B", "=x", "B=$A", "path=/q", "C=", "HOME=/h"}, 3)),
		quote(g.pick("", "/", "/w", "rel", `C:\w`, "/a/../b", `\w`)), quote(g.pick("", "", "root", "1000", "ContainerUser")),
		g.pick(`"sha256:1111111111111111111111111111111111111111111111111111111111111111"`, ""))
	g.files["images/example.com/own.json"] = config + "\n"
	g.bases = []string{"example.com/own"}
}
