// Package shell expands variables and quotes as Dockerfiles do: strings in,
// strings out, byte offsets for whatever is wrong.
//
// The language is a small part of the POSIX shell's, with its own corners:
//
//	$name  ${name}                     the value, or nothing
//	${name-w}  ${name:-w}              w if name is unset (or empty)
//	${name+w}  ${name:+w}              w if name is set (and not empty)
//	${name?m}  ${name:?m}              an error m if name is unset (or empty)
//	${name#p}  ${name##p}              without the shortest (longest) prefix p
//	${name%p}  ${name%%p}              without the shortest (longest) suffix p
//	${name/p/r}  ${name//p/r}          with the first (every) p made r
//	'text'  "text $name"  \c           quotes and the escape character
//
// An [Expander] is a value that says which character escapes and what is left
// as it stands; [Expander.Expand] gives one string, [Expander.Fields] splits
// the result at white space, [Split] splits without expanding.
//
// Every result is the one that BuildKit's own lexer gives, oddities included
// (they are tagged "Upstream:"), with three exceptions: operands can nest at most
// 10,000 deep, a result can be at most 4 MiB longer than what its word accounts
// for, and matching a pattern can take so many steps only. Each limit is an error
// here and sooner or later the end of the process there.
//
// Not here: which variables there are (plan), which fields of an instruction
// are expanded (plan), how an instruction is cut into words (parser).
package shell
