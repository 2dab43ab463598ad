// Package controls removes control sequences from the output of build steps, so that a step
// cannot control the terminal that shows its output. Such sequences can rewrite the screen,
// set the title, fill the clipboard, or make the terminal send input.
package controls

import (
	"bytes"
	"unicode/utf8"
)

const (
	escape = 0x1b
	bell   = 0x07
	cancel = 0x18 // CAN and SUB abort a sequence (ECMA-48)
	sub    = 0x1a
	reset  = "\x1b[0m"

	maxSequence = 64  // maximum length in bytes of a sequence that passes
	maxColors   = 256 // maximum length in bytes of the color sequences since the last reset
)

// state is the position of a parser in an ECMA-48 control sequence: in ordinary text, after ESC,
// or in a part of the sequence.
type state int

const (
	text        state = iota
	afterEscape       // after ESC, and after intermediate bytes such as "("
	sequence          // after ESC [
	payload           // after ESC ], ESC P or similar, until BEL or ESC \
)

// Filter removes control characters and sequences from a stream of text. It passes tabs, line
// ends and carriage returns. It also passes colors (SGR) and the sequences that erase in a
// line (EL), which progress bars use. The zero value is ready to use. Not safe for concurrent
// use.
type Filter struct {
	state    state
	partial  []byte // incomplete UTF-8 character at the end of the last part
	seq      []byte // parameters of an incomplete sequence, after ESC [
	colors   []byte // color sequences since the last reset
	colorsOn bool   // set if the terminal currently shows the colors
}

// Filter returns the filtered form of data, the next part of the stream. At the end of each
// line and each part, it resets the colors, because they would affect other text on the
// terminal. It sets the colors again before the next visible text.
func (f *Filter) Filter(data []byte) []byte {
	data = append(f.partial, data...)
	f.partial = nil
	out := make([]byte, 0, len(data))
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(data) {
				f.partial = bytes.Clone(data)
				break
			}
			r = rune(data[0])
		}
		out = f.next(out, r, data[:n])
		data = data[n:]
	}
	return f.resetColors(out)
}

// next filters the character r and appends the result to out. The parameter raw is the encoding
// of r. If raw is a single byte that is not valid UTF-8, r is the value of this byte.
func (f *Filter) next(out []byte, r rune, raw []byte) []byte {
	switch f.state {
	case afterEscape:
		if f.continueEscape(r) {
			return out
		}
	case sequence:
		switch {
		case r >= 0x20 && r < 0x40:
			if len(f.seq) < maxSequence {
				f.seq = append(f.seq, byte(r))
			}
			return out
		case r >= 0x40 && r < 0x7f:
			f.state = text
			return f.endSequence(out, byte(r))
		}
	case payload:
		if r != escape && r != bell && r != cancel && r != sub && r != '\n' {
			return out
		}
	default:
	}
	f.state = text
	return f.text(out, r, raw)
}

// continueEscape processes r, a character after ESC, and updates the state. It returns false if
// r does not belong to the escape sequence.
func (f *Filter) continueEscape(r rune) bool {
	switch {
	case r == '[':
		f.state, f.seq = sequence, f.seq[:0]
	case r == ']' || r == 'P' || r == 'X' || r == '^' || r == '_':
		f.state = payload
	case r >= 0x20 && r < 0x30: // an intermediate byte does not change the state
	case r >= 0x30 && r < 0x7f:
		f.state = text
	default:
		return false
	}
	return true
}

// endSequence processes a control sequence of the form ESC [ PARAMETERS FINAL. The parameters
// are in f.seq, and final is the last byte, which determines the function. If the sequence
// erases in a line (EL), endSequence appends it to out. If it sets colors (SGR), endSequence
// records it in f.colors for the next visible text. It removes any other sequence.
func (f *Filter) endSequence(out []byte, final byte) []byte {
	if len(f.seq) == maxSequence || len(bytes.Trim(f.seq, "0123456789;:")) > 0 {
		return out
	}
	seq := append(append([]byte{escape, '['}, f.seq...), final)
	switch {
	case final == 'K':
		return f.appendVisible(out, seq)
	case final != 'm':
		return out
	case len(bytes.Trim(f.seq, "0;")) == 0:
		out, f.colors = f.resetColors(out), nil
		return out
	}
	if len(f.colors)+len(seq) > maxColors {
		out, f.colors = f.resetColors(out), nil
	}
	f.colors = append(f.colors, seq...)
	if f.colorsOn {
		out = append(out, seq...)
	}
	return out
}

// text filters the character r, which is outside of escape sequences, and appends the result to
// out. The parameter raw is the encoding of r.
func (f *Filter) text(out []byte, r rune, raw []byte) []byte {
	switch {
	case r == escape:
		f.state = afterEscape
		return out
	case r == '\n':
		return append(f.resetColors(out), '\n')
	case r == '\t', r == '\r':
	case r < 0x20, r == 0x7f:
		return out
	case r >= 0x80 && r < 0xa0: // C1 controls: some terminals treat U+009B like ESC [, and so on
		raw = []byte("\uFFFD")
	}
	return f.appendVisible(out, raw)
}

// appendVisible appends raw, the encoding of visible text, to out. If the terminal does not
// show the current colors, appendVisible first appends the sequences that set them.
func (f *Filter) appendVisible(out, raw []byte) []byte {
	if len(f.colors) > 0 && !f.colorsOn {
		out, f.colorsOn = append(out, f.colors...), true
	}
	return append(out, raw...)
}

// resetColors appends a reset sequence to out if the terminal shows colors.
func (f *Filter) resetColors(out []byte) []byte {
	if f.colorsOn {
		out, f.colorsOn = append(out, reset...), false
	}
	return out
}
