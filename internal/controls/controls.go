// Package controls prevents the output of build steps from controlling the
// terminal that shows it. A step can print sequences that rewrite the screen,
// set the title, fill the clipboard, or make the terminal type an answer.
package controls

import (
	"bytes"
	"unicode/utf8"
)

const (
	escape = 0x1b
	bell   = 0x07
	cancel = 0x18 // CAN and SUB end a sequence
	sub    = 0x1a
	reset  = "\x1b[0m"

	maxSequence = 64  // maximum bytes of a sequence that is passed on
	maxColors   = 256 // maximum bytes of color sequences without a reset
)

// state is the state of the parser of ECMA-48 control sequences.
type state int

const (
	text     state = iota
	escaped        // after ESC, and after intermediates such as "("
	sequence       // after ESC [
	payload        // after ESC ], ESC P and similar, until BEL or ESC \
)

// Filter passes text with its tabs, line ends and carriage returns, colors
// (SGR), and sequences that erase in the line (EL), which progress bars use. It
// removes all other control characters and sequences. The zero Filter is ready
// to use. Not safe for concurrent use.
type Filter struct {
	state   state
	partial []byte // incomplete UTF-8 character
	seq     []byte // incomplete sequence, after ESC [
	colors  []byte // sequences since the last reset
	on      bool   // whether the colors are set on the terminal
}

// Filter returns the filtered form of the next part of a stream. It resets
// colors at the end of each line and each part, so that they do not affect
// other text on the terminal, and sets them again before the following text.
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
	return f.off(out)
}

// next appends the filtered form of a character. If raw is not valid UTF-8, r
// is its byte.
func (f *Filter) next(out []byte, r rune, raw []byte) []byte {
	switch f.state {
	case escaped:
		if f.escaped(r) {
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
			return f.end(out, byte(r))
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

// escaped reports whether a character after ESC belongs to a sequence.
func (f *Filter) escaped(r rune) bool {
	switch {
	case r == '[':
		f.state, f.seq = sequence, f.seq[:0]
	case r == ']' || r == 'P' || r == 'X' || r == '^' || r == '_':
		f.state = payload
	case r >= 0x20 && r < 0x30: // intermediate byte
	case r >= 0x30 && r < 0x7f:
		f.state = text
	default:
		return false
	}
	return true
}

// end appends a sequence that ends with the character final, if it is allowed.
func (f *Filter) end(out []byte, final byte) []byte {
	if len(f.seq) == maxSequence || len(bytes.Trim(f.seq, "0123456789;:")) > 0 {
		return out
	}
	seq := append(append([]byte{escape, '['}, f.seq...), final)
	switch {
	case final == 'K':
		return f.put(out, seq)
	case final != 'm':
		return out
	case len(bytes.Trim(f.seq, "0;")) == 0:
		out, f.colors = f.off(out), nil
		return out
	}
	if len(f.colors)+len(seq) > maxColors {
		out, f.colors = f.off(out), nil
	}
	f.colors = append(f.colors, seq...)
	if f.on {
		out = append(out, seq...)
	}
	return out
}

// text appends a character outside of sequences, if it is allowed.
func (f *Filter) text(out []byte, r rune, raw []byte) []byte {
	switch {
	case r == escape:
		f.state = escaped
		return out
	case r == '\n':
		return append(f.off(out), '\n')
	case r == '\t', r == '\r':
	case r < 0x20, r == 0x7f:
		return out
	case r >= 0x80 && r < 0xa0: // C1 controls: some terminals interpret them like ESC and another character
		raw = []byte("\uFFFD")
	}
	return f.put(out, raw)
}

// put appends visible output, after setting the colors.
func (f *Filter) put(out, raw []byte) []byte {
	if len(f.colors) > 0 && !f.on {
		out, f.on = append(out, f.colors...), true
	}
	return append(out, raw...)
}

// off appends a reset if colors are set.
func (f *Filter) off(out []byte) []byte {
	if f.on {
		out, f.on = append(out, reset...), false
	}
	return out
}
