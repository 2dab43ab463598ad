// Package shell expands variables and quotes by the rules of Dockerfiles. It converts
// strings to strings, and its errors have byte offsets.
//
// The language is a small subset of the POSIX shell's, with some deviations:
//
//	$name  ${name}                     the value, or nothing
//	${name-w}  ${name:-w}              w if name is unset (or empty)
//	${name+w}  ${name:+w}              w if name is set (and not empty)
//	${name?m}  ${name:?m}              an error m if name is unset (or empty)
//	${name#p}  ${name##p}              without the shortest (longest) prefix p
//	${name%p}  ${name%%p}              without the shortest (longest) suffix p
//	${name/p/r}  ${name//p/r}          with the first (every) p replaced with r
//	'text'  "text $name"  \c           quotes and the escape character
//
// An [Expander] configures the escape character and the parts that remain unchanged.
// [Expander.Expand] returns one string, [Expander.Fields] splits the result at white
// space, and [Split] splits without expanding.
//
// With [Expander.Lookup], the language also has operators that BuildKit lacks:
//
//	${name:@table}                     the entry of a table for the value
//	${name^}  ${name^^}                with the first (every) character in upper case
//	${name,}  ${name,,}                with the first (every) character in lower case
//
// The results equal those of BuildKit's lexer, including its oddities (tagged
// "Upstream:"), with three exceptions. Operands nest at most 10,000 deep. A result
// exceeds the length of its word by at most about 4 MiB. Matching a pattern takes a
// limited number of steps. Beyond these limits, this package returns an error, while
// BuildKit crashes or runs out of memory or time.
//
// Package plan decides which variables exist and which words of an instruction are
// expanded. Package parser splits an instruction into words.
package shell
