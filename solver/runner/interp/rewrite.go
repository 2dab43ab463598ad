package interp

import (
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Commands in rewritten scripts. No program has such names.
const (
	homeCommand  = "\x01home"  // prints the home directory of a user
	pidCommand   = "\x01pid"   // fails
	boundCommand = "\x01bound" // fails if variables have grown too large
)

const (
	// maxValues is the maximum number of bytes of all variables, and of all arguments
	// of a command.
	maxValues = 4 << 20
	// maxWord is the maximum number of bytes of an expanded word.
	maxWord = 1 << 30
	// maxSquare is the maximum number of bytes of variables if one replaces each
	// character of another, as in ${x//?/$y}.
	maxSquare = 32 << 10
	// maxBraces is the maximum number of words from braces, such as {1..9}.
	maxBraces = 1 << 20
)

// rewrite changes a script so that the interpreter does not access the host without a
// handler, and so that variables do not exhaust the memory.
//
//	~user    becomes "$(\x01home user)"
//	$$       becomes $(\x01pid)
//	x=$x$x   becomes x=$(\x01bound LIMIT)$x$x
func rewrite(prog *syntax.File) error {
	w := &rewriter{limit: limit(prog)}
	syntax.Walk(prog, w.visit)
	return w.err
}

// rewriter rewrites a script during a walk.
type rewriter struct {
	limit  int
	quoted []bool // per ancestor node: whether ~ is an ordinary character
	hdocs  []*syntax.Word
	err    error
}

func (w *rewriter) visit(n syntax.Node) bool {
	if n == nil {
		w.quoted = w.quoted[:len(w.quoted)-1]
		return true
	}
	quoted := len(w.quoted) > 0 && w.quoted[len(w.quoted)-1]
	switch n := n.(type) {
	case *syntax.ProcSubst:
		w.err = unable("has no pipes of the host for <() and >()")
	case *syntax.Redirect:
		if n.Hdoc != nil {
			w.hdocs = append(w.hdocs, n.Hdoc)
		}
	case *syntax.CmdSubst:
		quoted = false
	case *syntax.DblQuoted:
		quoted = true
		w.ids(n.Parts)
	case *syntax.Word:
		quoted = quoted || slices.Contains(w.hdocs, n)
		w.ids(n.Parts)
		if !quoted {
			w.home(n)
		}
	case *syntax.ParamExp:
		if n.Param != nil && isID(n.Param.Value) {
			w.err = unable("has no process IDs for $%s", n.Param.Value)
		}
	case *syntax.ArithmExp, *syntax.ArithmCmd, *syntax.LetClause:
		syntax.Walk(n, func(n syntax.Node) bool {
			if l, ok := n.(*syntax.Lit); ok && isID(l.Value) {
				w.err = unable("has no process IDs for $%s", l.Value)
			}
			return true
		})
	case *syntax.Assign:
		w.bound(n.Value)
	case *syntax.ArrayElem:
		w.bound(n.Value)
	}
	w.quoted = append(w.quoted, quoted)
	if w.err != nil {
		w.quoted = w.quoted[:len(w.quoted)-1]
	}
	return w.err == nil
}

// isID reports whether a parameter is the ID of a process of the host.
func isID(param string) bool { return param == "$" || param == "PPID" }

// ids replaces $$ and $PPID.
func (w *rewriter) ids(parts []syntax.WordPart) {
	for i, part := range parts {
		p, ok := part.(*syntax.ParamExp)
		if ok && p.Short && isID(p.Param.Value) {
			parts[i] = substitution(pidCommand, p.Param.Value)
		}
	}
}

// home replaces ~user at the beginning of a word.
func (w *rewriter) home(word *syntax.Word) {
	split := *word // SplitBraces replaces its parts
	if syntax.SplitBraces(&split) && !w.braces(&split) || len(word.Parts) == 0 {
		return
	}
	lit, ok := word.Parts[0].(*syntax.Lit)
	if !ok {
		return
	}
	name, ok := strings.CutPrefix(lit.Value, "~")
	user, rest, isPath := strings.Cut(name, "/")
	if !ok || user == "" || !isPath && len(word.Parts) > 1 {
		return
	}
	parts := []syntax.WordPart{&syntax.DblQuoted{Parts: []syntax.WordPart{substitution(homeCommand, user)}}}
	if isPath {
		parts = append(parts, &syntax.Lit{Value: "/" + rest})
	}
	word.Parts = append(parts, word.Parts[1:]...)
}

// braces returns false and sets an error if the braces of a word make too many words,
// or words that begin with ~user.
func (w *rewriter) braces(word *syntax.Word) bool {
	if n := countBraces(word); n > maxBraces {
		w.err = unable("makes at most %d words of braces", maxBraces)
	}
	if beginsWithTilde(word) {
		w.err = unable("finds no home directories in braces")
	}
	return w.err == nil
}

// beginsWithTilde reports whether one of the words from braces begins with ~.
func beginsWithTilde(word *syntax.Word) bool {
	if len(word.Parts) == 0 {
		return false
	}
	switch first := word.Parts[0].(type) {
	case *syntax.Lit:
		return strings.HasPrefix(first.Value, "~")
	case *syntax.BraceExp:
		return slices.ContainsFunc(first.Elems, beginsWithTilde)
	}
	return false
}

// bound inserts a check of the size of variables before a value is expanded.
func (w *rewriter) bound(value *syntax.Word) {
	if value == nil || len(value.Parts) == 0 || value.Lit() != "" {
		return
	}
	at := 0
	if l, ok := value.Parts[0].(*syntax.Lit); ok && strings.HasPrefix(l.Value, "~") {
		at = 1 // ~ has a meaning only at the beginning
	}
	value.Parts = slices.Insert(value.Parts, at, syntax.WordPart(substitution(boundCommand, strconv.Itoa(w.limit))))
}

// substitution returns $(name arg).
func substitution(name, arg string) *syntax.CmdSubst {
	word := func(text string) *syntax.Word {
		return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: text}}}
	}
	call := &syntax.CallExpr{Args: []*syntax.Word{word(name), word(arg)}}
	return &syntax.CmdSubst{Stmts: []*syntax.Stmt{{Cmd: call}}}
}

// limit returns the maximum number of bytes of all variables of a script with which no
// word exceeds maxWord.
func limit(prog *syntax.File) int {
	most := maxValues
	syntax.Walk(prog, func(n syntax.Node) bool {
		word, ok := n.(*syntax.Word)
		if !ok {
			return true
		}
		values := 0
		syntax.Walk(word, func(n syntax.Node) bool {
			p, ok := n.(*syntax.ParamExp)
			if !ok {
				return true
			}
			switch values++; {
			case p.Repl == nil || p.Repl.With == nil:
			case p.Repl.With.Lit() != "":
				values += len(p.Repl.With.Lit()) // each character may be replaced with this text
			default:
				most = min(most, maxSquare)
			}
			return true
		})
		most = min(most, maxWord/max(values, 1))
		return true
	})
	return most
}

// countBraces returns the number of words that the braces of a word make.
func countBraces(word *syntax.Word) int {
	n := 1
	for _, part := range word.Parts {
		b, ok := part.(*syntax.BraceExp)
		if !ok {
			continue
		}
		sum := 0
		for _, e := range b.Elems {
			sum += countBraces(e)
		}
		if b.Sequence {
			from, _ := strconv.Atoi(b.Elems[0].Lit())
			to, _ := strconv.Atoi(b.Elems[1].Lit())
			sum = max(from-to, to-from, 0xff)
		}
		if sum > maxBraces {
			return sum
		}
		n = min(n*sum, maxBraces+1)
	}
	return n
}
