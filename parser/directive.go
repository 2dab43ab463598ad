package parser

import "github.com/moby/buildkit/frontend/dockerfile/parser"

// Syntax returns what # syntax= names: the image's reference, the whole value,
// and the line. It also finds the directive behind // and in JSON, for
// frontends whose files are no Dockerfiles.
func Syntax(content []byte) (ref, cmdline string, line int, ok bool) {
	ref, cmdline, loc, ok := parser.DetectSyntax(content)
	if len(loc) > 0 {
		line = loc[0].Start.Line
	}
	return ref, cmdline, line, ok
}

// Check returns the value of # check=, up to its first space, and its line.
func Check(content []byte) (value string, line int, ok bool) {
	value, _, loc, ok := parser.ParseDirective("check", content)
	if len(loc) > 0 {
		line = loc[0].Start.Line
	}
	return value, line, ok
}
