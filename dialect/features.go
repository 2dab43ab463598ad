package dialect

import (
	"fmt"
	"strings"

	"slipway/diag"
	"slipway/source"
)

// Class is the relation of an extension to plain Dockerfiles: Sugar, Effort or Native.
type Class int

const (
	// Sugar is the class of extensions with an equivalent plain Dockerfile. The build has the
	// operations, the image config and the history of that Dockerfile.
	Sugar Class = iota
	// Effort is the class of extensions that change how a build runs, but not its image. The
	// equivalent plain Dockerfile omits them.
	Effort
	// Native is the class of extensions without an equivalent plain Dockerfile.
	Native
)

// Feature is an extension: an instruction, or a flag of an instruction.
type Feature struct {
	Keyword string // in lower case
	Flag    string // name without dashes; "" for an instruction
	Since   Level  // the lowest level at which a file may use the feature
	Class   Class
}

// String returns the spelling of the feature, such as "INCLUDE" or "RUN --no-cache".
func (f Feature) String() string {
	if f.Flag == "" {
		return strings.ToUpper(f.Keyword)
	}
	return strings.ToUpper(f.Keyword) + " --" + f.Flag
}

// features is the table of all instructions and flags that extend the language. Files
// cannot use features of a level above [Newest]. The table contains them so that errors can
// name the level.
//
// ARG, STOPSIGNAL, HEALTHCHECK NONE and ONBUILD never get an extension, because
// docker/dockerfile ignores their flags silently.
//
// It is a variable, because functions would build the table for each unknown instruction.
var features = [...]Feature{
	{"include", "", Level{1, 0}, Sugar},
	{"include", "from", Level{1, 0}, Sugar},
	{"let", "", Level{1, 0}, Sugar},
	{"let", "file", Level{1, 0}, Sugar},
	{"let", "from", Level{1, 1}, Sugar},
	{"unset", "", Level{1, 0}, Native},
	{"mount", "", Level{1, 1}, Sugar},
	{"annotation", "", Level{1, 1}, Native},
	{"squash", "", Level{1, 2}, Native},

	{"run", "if", Level{1, 0}, Sugar},
	{"run", "expand", Level{1, 0}, Sugar},
	{"run", "no-cache", Level{1, 0}, Effort},
	{"run", "shell", Level{1, 0}, Sugar},
	{"run", "args", Level{1, 1}, Native},
	{"run", "retry", Level{1, 2}, Effort},
	{"run", "timeout", Level{1, 2}, Effort},
	{"copy", "if", Level{1, 0}, Sugar},
	{"copy", "if-exists", Level{1, 0}, Sugar},
	{"copy", "dir", Level{1, 1}, Native},
	{"copy", "no-follow", Level{1, 1}, Native},
	{"add", "if", Level{1, 0}, Sugar},
	{"add", "if-exists", Level{1, 0}, Sugar},
	{"add", "dir", Level{1, 1}, Native},
	{"add", "no-follow", Level{1, 1}, Native},
	{"env", "if", Level{1, 0}, Sugar},
	{"env", "file", Level{1, 0}, Sugar},
	{"env", "from", Level{1, 1}, Sugar},
	{"label", "if", Level{1, 0}, Sugar},
	{"label", "file", Level{1, 0}, Sugar},
	{"workdir", "if", Level{1, 0}, Sugar},
	{"user", "if", Level{1, 0}, Sugar},
	{"user", "chown", Level{1, 1}, Sugar},
	{"expose", "if", Level{1, 0}, Sugar},
	{"volume", "if", Level{1, 0}, Sugar},
	{"shell", "if", Level{1, 0}, Sugar},
	{"cmd", "if", Level{1, 0}, Sugar},
	{"cmd", "expand", Level{1, 0}, Sugar},
	{"entrypoint", "if", Level{1, 0}, Sugar},
	{"entrypoint", "expand", Level{1, 0}, Sugar},
	{"healthcheck", "expand", Level{1, 0}, Sugar},
	{"include", "if", Level{1, 0}, Sugar},
	{"let", "if", Level{1, 0}, Sugar},
	{"unset", "if", Level{1, 0}, Native},
}

// Features returns the table of all instructions and flags that extend the language.
func Features() []Feature { return features[:] }

// Find returns the feature with the given keyword, in any case, and flag. The flag is "" for an
// instruction.
func Find(keyword, flag string) (Feature, bool) {
	for i := range features {
		if f := &features[i]; f.Flag == flag && strings.EqualFold(f.Keyword, keyword) {
			return *f, true
		}
	}
	return Feature{}, false
}

// Flags returns the names of the flags that extend the instruction with the given keyword.
func Flags(keyword string) []string {
	keyword = strings.ToLower(keyword)
	var names []string
	for _, f := range Features() {
		if f.Keyword == keyword && f.Flag != "" {
			names = append(names, f.Flag)
		}
	}
	return names
}

// Keywords returns the keywords of the instructions that extend the language, in lower case.
func Keywords() []string {
	var names []string
	for _, f := range Features() {
		if f.Flag == "" {
			names = append(names, f.Keyword)
		}
	}
	return names
}

// Allow returns an error with the range at if the level of the file is too low for the feature.
func (g *Gate) Allow(f Feature, at source.Range) *diag.Diagnostic {
	if !g.Level.Less(f.Since) {
		return nil
	}
	name := f.String()
	if f.Flag != "" {
		name = "--" + f.Flag
	}
	return tooLow(at, name, f.Since, g.Level)
}

// tooLow returns the error about an extension with the given name that needs a higher level than
// the file has. If this program does not support that level either, the error says so,
// because a higher level in the file would not help.
func tooLow(at source.Range, name string, needs, level Level) *diag.Diagnostic {
	support := ""
	if Newest().Less(needs) {
		support = fmt.Sprintf(" (this Slipway knows levels up to %s)", Newest())
	}
	return diag.Errorf(at, "%s needs # slipway=%s, and this file says %s%s", name, needs, level, support)
}

// Hint returns the text that follows the error about an unknown instruction or flag in a plain
// Dockerfile, if the spelling is an extension of a level that this program supports. Otherwise, it returns "".
func Hint(keyword, flag string) string {
	if f, ok := Find(keyword, flag); !ok || Newest().Less(f.Since) {
		return ""
	}
	return " (an extension of Slipway: to use it, write # slipway=1.0 as the first line after # syntax)"
}
