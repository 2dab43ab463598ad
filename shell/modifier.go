package shell

// alternative expands an expression with the modifier -, + or ?, with or without a colon, such
// as ${v:-w}. If an unknown modifier follows the colon, it returns an error.
func (s *scanner) alternative(p *param) *Error {
	s.begin(p, p.modifierText())
	if err := s.operand(p, '}', false, false, msgNoBrace); err != nil {
		return err
	}
	s.use(p)
	if p.verbatim {
		s.put("}")
		return nil
	}
	var useOperand bool
	value := p.value
	switch p.modifier {
	case '-':
		useOperand = !p.present()
	case '+':
		useOperand, value = p.present(), ""
	case '?':
		if !p.present() {
			return s.required(p)
		}
	default:
		return s.unsupported(p)
	}
	if !useOperand {
		s.out = s.out[:p.mark]
		s.put(value)
	}
	return nil
}

// required returns the error that ${v?message} causes if v is unset, and ${v:?message} also if
// v is empty. The text of the error is the expanded operand, or a default message if the
// operand is empty.
func (s *scanner) required(p *param) *Error {
	msg := string(s.out[p.mark:])
	switch {
	case msg != "":
	case p.set:
		msg = "is not allowed to be empty"
	default:
		msg = "is not allowed to be unset"
	}
	return s.errorAt(p.start, p.name+": "+msg)
}

// trim expands the expressions that remove a prefix or suffix: ${v#p}, ${v##p}, ${v%p}
// and ${v%%p}.
func (s *scanner) trim(p *param) *Error {
	s.begin(p, p.modifierText())
	at := s.pos
	if err := s.operand(p, '}', true, true, msgNoBrace); err != nil {
		return err
	}
	s.use(p)
	if p.verbatim {
		s.put("}")
		return nil
	}
	pattern := s.take(p.mark)
	// Upstream: the second # or % may come from the value of a variable.
	longest := pattern != "" && pattern[0] == byte(p.modifier)
	if longest {
		pattern = pattern[1:]
	}
	cut := trimPrefix
	if p.modifier == '%' {
		cut = trimSuffix
	}
	v, err := cut(p.value, pattern, longest)
	if err != nil {
		return s.errorAt(at, err.Error())
	}
	s.put(v)
	return nil
}

// replace expands the expressions that replace matches of a pattern: ${v/p/r} and
// ${v//p/r}.
func (s *scanner) replace(p *param) *Error {
	all := s.pos < len(s.word) && s.word[s.pos] == '/'
	if all {
		s.pos++
	}
	s.begin(p, "/") // Upstream: writes one slash, even for //
	at := s.pos
	if err := s.operand(p, '/', true, true, msgNoSlash); err != nil {
		return err
	}
	var text string
	if p.verbatim {
		s.put("/")
	} else {
		text = s.take(p.mark)
	}
	if err := s.operand(p, '}', true, false, msgNoBrace); err != nil {
		return err
	}
	s.use(p)
	if p.verbatim {
		s.put("}")
		return nil
	}
	replacement := s.take(p.mark)
	pat, err := compile(text)
	if err != nil {
		return s.errorAt(at, err.Error())
	}
	pat.limitSteps(len(p.value) + len(text))
	if all {
		v, ok := pat.replaceAll(p.value, replacement, limit(s.word))
		if !ok {
			return s.tooLong()
		}
		s.put(v)
	} else {
		before, with, after := pat.replaceFirst(p.value, replacement)
		s.put(before)
		s.put(with)
		s.put(after)
	}
	if pat.steps < 0 {
		return s.errorAt(at, errSteps.Error())
	}
	return nil
}
