package dialect

import (
	"strings"
	"unicode/utf8"
)

// Optional returns a pattern that matches only the given path of a COPY or ADD, for
// --if-exists. Builders ignore a pattern without matches, but a missing path is an error. Only
// a pattern in the first component also covers missing parents:
//
//	LICENSE     [L]ICENSE
//	a/b         [a]/b
//	conf*       conf*
func Optional(path string) string {
	start := 0
	for strings.HasPrefix(path[start:], "/") || strings.HasPrefix(path[start:], "./") {
		start += strings.IndexByte(path[start:], '/') + 1
	}
	end := len(path)
	if i := strings.IndexByte(path[start:], '/'); i >= 0 {
		end = start + i
	}
	name := path[start:end]
	if name == "" || name == "." || name == ".." || hasWildcard(name) {
		return path
	}
	i, n := 0, 0
	for ; i < len(name); i += n { // the first character that is not escaped
		if name[i] != '\\' {
			break
		}
		n = 1
		if i+1 < len(name) {
			_, size := utf8.DecodeRuneInString(name[i+1:])
			n += size
		}
	}
	if i >= len(name) {
		i = 0
	}
	return path[:start] + name[:i] + class(name[i:]) + path[end:]
}

// class returns a name whose first character, or escaped character, is a character class.
func class(name string) string {
	n := 0
	escaped := strings.HasPrefix(name, `\`) && len(name) > 1
	if escaped {
		n = 1
	}
	_, size := utf8.DecodeRuneInString(name[n:])
	char := name[n : n+size]
	if escaped || strings.ContainsAny(char, `^-]\!`) {
		char = `\` + char
	}
	return "[" + char + "]" + name[n+size:]
}

// hasWildcard reports whether a path contains an unescaped *, ? or [.
func hasWildcard(path string) bool {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}
