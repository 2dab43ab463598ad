package shell

import (
	"unicode"
	"unicode/utf8"
)

// Field is a part of a word that is separated by white space.
type Field struct {
	Text string
	// Start and End are the source range of the field in the word. A field that
	// begins or ends within a variable's value has the range of the whole
	// expression.
	Start, End int
}

// Fields expands the word and splits the result at white space, including white
// space in values of variables. It does not split quoted or escaped white
// space. It drops empty fields, even quoted ones. "<<" and the blanks after it
// are in one field, so that "<< EOF" is not split.
//
// Errors are of type *Error.
func (x Expander) Fields(word string, env Env) ([]Field, error) {
	if env == nil {
		env = Map(nil)
	}
	f := splitter{scanner: x.scanner(word, env)}
	fault := f.split()
	if f.overflow != nil {
		fault = f.overflow
	}
	if fault != nil {
		return nil, fault
	}
	f.flush()
	return f.fields, nil
}

// Split splits a line as Fields does, but expands no variables and keeps quotes
// and escapes. The parser uses it to find heredocs. The escape character is
// always '\\', regardless of the escape directive.
//
// Upstream: operands are expanded nevertheless. ${v//p/r} is printed with one
// slash, and \ is removed inside ${v-w}.
func Split(line string) ([]Field, error) {
	return Expander{Mode: KeepQuotes | KeepEscapes | KeepUnset}.Fields(line, nil)
}

// splitter assembles fields from the output of an expansion.
type splitter struct {
	scanner
	fields     []Field
	text       []byte // text of the current field
	start, end int    // source range of the current field
	size       int    // total length of all fields
}

func (f *splitter) split() *Error {
	for f.pos < len(f.word) {
		start, operands := f.pos, f.operands
		f.out = f.out[:0]
		var fault *Error
		switch c := f.word[f.pos]; {
		case c == '$':
			fault = f.dollar()
		case c == '\'' && f.mode&NoQuotes == 0:
			fault = f.singleQuoted(false)
		case c == '"' && f.mode&NoQuotes == 0:
			fault = f.doubleQuoted(false)
		case c == '<':
			f.less()
		case c == f.esc:
			f.escaped()
		default:
			f.addRune(f.next(), start, f.pos)
			continue
		}
		if fault != nil {
			return fault
		}
		// Upstream: an operand reuses the buffer of the current field and
		// discards its content: a${v-b} is the field "b".
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

// less handles "<", and "<<" with the blanks after it.
func (f *splitter) less() {
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

// addValue adds the value of the expression that begins at start.
func (f *splitter) addValue(start int) {
	value, end := f.out, f.pos
	same := string(value) == f.word[start:end]
	for i := 0; i < len(value); {
		n := unsplit(value[i:])
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

// unsplit returns the number of bytes before the first white space or invalid
// UTF-8.
func unsplit(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if unicode.IsSpace(r) || r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}

// addRune adds a character, or ends the field if it is white space.
func (f *splitter) addRune(r rune, start, end int) {
	if unicode.IsSpace(r) {
		f.flush()
		return
	}
	var buf [utf8.UTFMax]byte
	f.add(utf8.AppendRune(buf[:0], r), start, end)
}

// add adds text that must not be split.
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
