package shell

import (
	"unicode"
	"unicode/utf8"
)

// Field is one of the parts that white space splits a word into.
type Field struct {
	Text string
	// Start and End say what of the word it came from. A field that begins or
	// ends within a variable's value has the range of the whole expression.
	Start, End int
}

// Fields expands the word and splits the result at white space, that of the
// variables' values included, but not at what is quoted or escaped. Empty
// fields do not count, even where they are quoted. "<<" takes the blanks after
// it into its field, so that "<< EOF" stays one.
//
// The error is an *Error.
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

// Split splits a line as Fields does, but expands nothing and leaves quotes
// and escapes in: it shows which of an instruction's words are heredocs. The
// escape character is '\\' whatever the escape directive says.
//
// Upstream: operands are expanded all the same, which shows in ${v//p/r},
// printed with one slash, and in \ within ${v-w}, removed.
func Split(line string) ([]Field, error) {
	return Expander{Mode: KeepQuotes | KeepEscapes | KeepUnset}.Fields(line, nil)
}

// splitter makes fields of the pieces that an expansion gives.
type splitter struct {
	scanner
	fields     []Field
	text       []byte // of the field under way
	start, end int    // what it came from
	size       int    // of all fields
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
		// Upstream: an operand uses the buffer of the field under way, and
		// what was in it is lost: a${v-b} is the field "b".
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

// addValue adds what an expression that began at start gave.
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

// unsplit returns how many bytes come before white space, or what is not UTF-8.
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

// add adds text that is not split.
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
