package dialect

import (
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/parser"
	"slipway/source"
)

// Gate is the line that opts a file in to the extensions:
//
//	gate = "#" ws "slipway" ws "=" ws level { ws option } .
//	ws = { " " | tab } .
type Gate struct {
	Level   Level
	Options Options
	Range   source.Range // the gate without its line end
}

// Options are rules that a gate or a caller adds to a build.
//
//	option = "strict" [ "=pipefail" ] | "network=none" .
type Options struct {
	Strict   bool // shell commands stop at the first error, and secrets are required
	Pipefail bool // strict also sets pipefail in shells that may not support it
	Offline  bool // RUN has no network unless the instruction sets one
	given    []string
}

// Merge returns a copy of o in which the options that by sets replace those of o.
func (o Options) Merge(by Options) Options {
	for _, key := range by.given {
		switch key {
		case "strict":
			o.Strict, o.Pipefail = by.Strict, by.Pipefail
		case "network":
			o.Offline = by.Offline
		}
	}
	return o
}

// IsZero reports whether no option is set.
func (o Options) IsZero() bool { return !o.Strict && !o.Offline }

// Parse returns the gate of a file, or nil if the file has no gate. The gate is the first line
// after the parser directives. Anywhere else, it is an ordinary comment.
func Parse(f *parser.File) (*Gate, *diag.Diagnostic) {
	line := gateLine(f.Source)
	if line == 0 {
		return nil, nil
	}
	r := lineText(f.Source, line)
	g := &Gate{Range: r}
	words := fields(r)
	level := words[0]
	var ok bool
	if g.Level, ok = parseLevel(level.String()); !ok {
		return nil, diag.Errorf(level, "invalid level %q (want %s, as in # slipway=%s)", level.String(), Newest(), Newest()).In(r)
	}
	if g.Level.Major < 1 || Newest().Less(g.Level) {
		return nil, diag.Errorf(level, "this file says # slipway=%s, and this Slipway knows levels up to %s: update # syntax, or the program", level.String(), Newest()).In(r)
	}
	var d *diag.Diagnostic
	if g.Options, d = parseOptions(words[1:], g.Level); d != nil {
		return nil, d.In(r)
	}
	return g, checkBelow(f.Source, line)
}

// ParseOptions parses the value of the build argument SLIPWAY_OPTIONS: options of a gate,
// separated by spaces.
func ParseOptions(value string) (Options, *diag.Diagnostic) {
	f := source.NewFile("SLIPWAY_OPTIONS", []byte(value))
	return parseOptions(split(source.Range{File: f, End: len(value)}), Newest())
}

// maxDirectives is the maximum number of lines that may precede the gate: #!, # syntax, # escape
// and # check.
const maxDirectives = 4

// gateLine returns the number of the line with the gate, or 0.
func gateLine(f *source.File) int {
	for n := 1; n <= min(f.Lines(), maxDirectives+1); n++ {
		name, ok := directiveName(lineText(f, n))
		switch {
		case ok && name == "slipway":
			return n
		case ok && isParserDirective(name), n == 1 && strings.HasPrefix(lineText(f, n).String(), "#!"):
		default:
			return 0
		}
	}
	return 0
}

// isParserDirective reports whether docker/dockerfile knows a directive with the given name.
func isParserDirective(name string) bool {
	return name == "syntax" || name == "escape" || name == "check"
}

// lineText returns the range of a line without byte order mark, line end and surrounding white
// space.
func lineText(f *source.File, line int) source.Range {
	r := f.LineRange(line, line)
	if line == 1 && strings.HasPrefix(r.String(), "\uFEFF") {
		r.Start += len("\uFEFF")
	}
	return trim(r)
}

// trim returns the range r without surrounding white space.
func trim(r source.Range) source.Range {
	const space = " \t\r\n\f\v"
	s := r.String()
	r.Start += len(s) - len(strings.TrimLeft(s, space))
	r.End = r.Start + len(strings.Trim(s, space))
	return r
}

// directiveName returns the name of a directive, # name=value, in lower case.
func directiveName(line source.Range) (string, bool) {
	s, ok := strings.CutPrefix(line.String(), "#")
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(s, "=")
	name = strings.ToLower(strings.Trim(name, " \t"))
	return name, ok && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// fields returns the words after the = of a gate. If no word follows, the result is one empty word.
func fields(line source.Range) []source.Range {
	value := line
	value.Start += strings.IndexByte(line.String(), '=') + 1
	words := split(value)
	if len(words) == 0 {
		words = []source.Range{{File: line.File, Start: line.End, End: line.End}}
	}
	return words
}

// split splits a range at its white space.
func split(r source.Range) []source.Range {
	var words []source.Range
	s := r.String()
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && !strings.ContainsRune(" \t\r\n\f\v", rune(s[j])) {
			j++
		}
		if j > i {
			words = append(words, source.Range{File: r.File, Start: r.Start + i, End: r.Start + j})
		}
		i = j + 1
	}
	return words
}

// optionNames lists the options as they are written.
func optionNames() []string {
	return []string{"strict", "strict=pipefail", "network=none", "require", "lock"}
}

// parseOptions parses the options of a gate of the given level.
func parseOptions(words []source.Range, level Level) (Options, *diag.Diagnostic) {
	var o Options
	seen := map[string]source.Range{}
	for _, w := range words {
		key, value, _ := strings.Cut(w.String(), "=")
		if at, twice := seen[key]; twice {
			return o, diag.Errorf(w, "option %s is given twice", key).Note(at, "first given here")
		}
		seen[key] = w
		switch w.String() {
		case "strict":
			o.Strict = true
		case "strict=pipefail":
			o.Strict, o.Pipefail = true, true
		case "network=none":
			o.Offline = true
		default:
			if (key == "require" && value != "") || key == "lock" {
				return o, tooLow(w, key, Level{1, 1}, level)
			}
			return o, diag.Errorf(w, "unknown option %s%s", w.String(), suggest.Hint(w.String(), optionNames(), true))
		}
		o.given = append(o.given, key)
	}
	return o, nil
}

// checkBelow returns an error if a comment directly below the gate is a parser directive or
// another gate. Neither has an effect there.
func checkBelow(f *source.File, gate int) *diag.Diagnostic {
	for n := gate + 1; n <= f.Lines(); n++ {
		r := lineText(f, n)
		if !strings.HasPrefix(r.String(), "#") {
			return nil
		}
		name, ok := directiveName(r)
		switch {
		case ok && name == "slipway":
			return diag.Errorf(r, "# slipway is given twice").In(r).Note(lineText(f, gate), "first given here")
		case ok && isParserDirective(name):
			return diag.Errorf(r, "# %s below # slipway is only a comment: put it above", name).In(r)
		}
	}
	return nil
}
