package shell

import (
	"unicode"
	"unicode/utf8"
)

// Field is a part of an expanded word between white space.
type Field struct {
	Text string
	// Start and End are the source range of the field in the word. If the field begins or
	// ends inside the value of a variable, the range includes the whole expression.
	Start, End int
}

// Fields expands a word and splits the result at white space, including white space in
// the values of variables. It does not split at quoted or escaped white space. It drops
// empty fields, even quoted ones. "<<" and the blanks after it belong to one field, so
// that "<< EOF" is not split.
//
// All errors have the type *Error.
func (x Expander) Fields(word string, env Env) ([]Field, error) {
	if env == nil {
		env = Map(nil)
	}
	f := splitter{scanner: x.scanner(word, env)}
	err := f.split()
	if f.overflow != nil {
		err = f.overflow
	}
	if err != nil {
		return nil, err
	}
	f.flush()
	return f.fields, nil
}

// Split splits a line like Fields, but does not expand variables, and leaves quotes and
// escapes in the fields. The parser uses it to find heredocs. The escape character is
// always '\\', regardless of the escape directive.
//
// Upstream: operands are expanded nevertheless. ${v//p/r} becomes ${v/p/r}, and \ is
// removed inside ${v-w}.
func Split(line string) ([]Field, error) {
	return Expander{Mode: KeepQuotes | KeepEscapes | KeepUnset}.Fields(line, nil)
}

// splitter expands a word and splits the result into fields.
type splitter struct {
	scanner
	fields     []Field
	text       []byte // the text of the current field
	start, end int    // the source range of the current field
	size       int    // the total length of all fields in bytes
}

// split expands the word, splits the result at white space and adds all fields except the last
// to f. The caller must then call flush, which adds the last field.
func (f *splitter) split() *Error {
	for f.pos < len(f.word) {
		start, operands := f.pos, f.operands
		f.out = f.out[:0]
		var err *Error
		switch c := f.word[f.pos]; {
		case c == '$':
			err = f.dollar()
		case c == '\'' && f.mode&NoQuotes == 0:
			err = f.singleQuoted(false)
		case c == '"' && f.mode&NoQuotes == 0:
			err = f.doubleQuoted(false)
		case c == '<':
			f.lessThan()
		case c == f.esc:
			f.escapedChar()
		default:
			f.addRune(f.next(), start, f.pos)
			continue
		}
		if err != nil {
			return err
		}
		// Upstream: an operand reuses the buffer of the current field and discards its
		// content. a${v-b} is therefore the field "b".
		if f.operands != operands {
			f.text = f.text[:0]
		}
		if f.word[start] == '$' {
			f.addValue(start)
		} else {
			f.add(f.out, start, f.pos)
		}
	}
	return nil
}

// lessThan moves "<", or "<<" and the blanks after it, from the word to the output.
func (f *splitter) lessThan() {
	f.pos++
	f.out = append(f.out, '<')
	if f.pos == len(f.word) || f.word[f.pos] != '<' {
		return
	}
	f.out = append(f.out, '<')
	for f.pos++; f.pos < len(f.word); f.pos++ {
		c := f.word[f.pos]
		if c != ' ' && c != '\t' && c != '\r' {
			return
		}
		f.out = append(f.out, c)
	}
}

// addValue splits the expanded value of an expression, such as ${v}, at white space and adds
// the parts to the fields. The parameter start is the offset of the expression in the word.
func (f *splitter) addValue(start int) {
	value, end := f.out, f.pos
	same := string(value) == f.word[start:end]
	for i := 0; i < len(value); {
		n := unsplitLen(value[i:])
		from, to := start, end
		if same {
			from, to = start+i, start+i+max(n, 1)
		}
		if n > 0 {
			f.add(value[i:i+n], from, to)
			i += n
			continue
		}
		r, n := utf8.DecodeRune(value[i:])
		f.addRune(r, from, to)
		i += n
	}
}

// unsplitLen returns the number of bytes in text before the first white space or invalid UTF-8
// byte.
func unsplitLen(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if unicode.IsSpace(r) || r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}

// addRune adds a character to the current field, or ends the field if the character is
// white space.
func (f *splitter) addRune(r rune, start, end int) {
	if unicode.IsSpace(r) {
		f.flush()
		return
	}
	var buf [utf8.UTFMax]byte
	f.add(utf8.AppendRune(buf[:0], r), start, end)
}

// add appends text to the current field without splitting it. The range [start, end) is the
// source range of the text.
func (f *splitter) add(text []byte, start, end int) {
	if len(text) == 0 {
		return
	}
	if f.size += len(text); f.size > limit(f.word) {
		if f.overflow == nil {
			f.overflow = f.tooLong()
		}
		return
	}
	if len(f.text) == 0 {
		f.start = start
	}
	f.text = append(f.text, text...)
	f.end = end
}

// flush ends the current field and adds it to the fields unless it is empty.
func (f *splitter) flush() {
	if len(f.text) == 0 {
		return
	}
	text := f.word[f.start:f.end]
	if text != string(f.text) {
		text = string(f.text)
	}
	f.fields = append(f.fields, Field{Text: text, Start: f.start, End: f.end})
	f.text = f.text[:0]
}
