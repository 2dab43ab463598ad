package interp

import (
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// These are names of commands that rewrite inserts into scripts. No program in an image
// has such a name.
const (
	homeCommand  = "\x01home"  // prints the home directory of a user
	pidCommand   = "\x01pid"   // fails, because there are no process IDs
	boundCommand = "\x01bound" // see checkVariables; prints nothing
)

const (
	// maxValues is the maximum total size of all variables, and of all arguments of a
	// command, in bytes.
	maxValues = 4 << 20
	// maxWord is the maximum size of an expanded word in bytes.
	maxWord = 1 << 30
	// maxSquare is the maximum total size of all variables in a script that contains a
	// replacement such as ${x//?/$y}. The replaced text can be as large as the product
	// of the sizes of two variables: 32 KiB × 32 KiB = maxWord.
	maxSquare = 32 << 10
	// maxBraces is the maximum number of words from one brace expansion, such as {1..9}.
	maxBraces = 1 << 20
)

// rewrite changes a script so that the interpreter cannot bypass the handlers of this
// package and access the host, and so that variables cannot exhaust the memory.
//
//	~user    becomes "$(\x01home user)"
//	$$       becomes $(\x01pid)
//	x=$x$x   becomes x=$(\x01bound LIMIT)$x$x
func rewrite(prog *syntax.File) error {
	w := &rewriter{limit: variableLimit(prog)}
	syntax.Walk(prog, w.visit)
	return w.err
}

// rewriter implements [rewrite]: it walks the syntax tree of a script and replaces
// ~user and process IDs, which the interpreter would look up on the host. It also
// inserts checks of the size of variables.
type rewriter struct {
	limit  int            // maximum size of all variables in bytes
	quoted []bool         // per ancestor of the current node: ~ is an ordinary character in it
	hdocs  []*syntax.Word // bodies of here-documents
	err    error
}

// visit rewrites a node. It is the callback of [syntax.Walk], which calls it with nil
// after the children of a node.
func (w *rewriter) visit(n syntax.Node) bool {
	if n == nil {
		w.quoted = w.quoted[:len(w.quoted)-1]
		return true
	}
	quoted := len(w.quoted) > 0 && w.quoted[len(w.quoted)-1]
	switch n := n.(type) {
	case *syntax.ProcSubst:
		w.err = unsupportedf("does not support process substitution with <() or >()")
	case *syntax.Redirect:
		if n.Hdoc != nil {
			w.hdocs = append(w.hdocs, n.Hdoc)
		}
	case *syntax.CmdSubst:
		quoted = false
	case *syntax.DblQuoted:
		quoted = true
		w.replaceIDs(n.Parts)
	case *syntax.Word:
		quoted = quoted || slices.Contains(w.hdocs, n)
		w.replaceIDs(n.Parts)
		if !quoted {
			w.replaceHome(n)
		}
	case *syntax.ParamExp:
		if n.Param != nil && isID(n.Param.Value) {
			w.err = unsupportedf("has no process IDs for $%s", n.Param.Value)
		}
	case *syntax.ArithmExp, *syntax.ArithmCmd, *syntax.LetClause:
		syntax.Walk(n, func(n syntax.Node) bool {
			if l, ok := n.(*syntax.Lit); ok && isID(l.Value) {
				w.err = unsupportedf("has no process IDs for $%s", l.Value)
			}
			return true
		})
	case *syntax.Assign:
		w.insertCheck(n.Value)
	case *syntax.ArrayElem:
		w.insertCheck(n.Value)
	}
	w.quoted = append(w.quoted, quoted)
	if w.err != nil {
		w.quoted = w.quoted[:len(w.quoted)-1]
	}
	return w.err == nil
}

// isID reports whether a shell parameter contains a process ID: $$ or $PPID.
func isID(param string) bool { return param == "$" || param == "PPID" }

// replaceIDs replaces $$ and $PPID with a command that fails when it is executed. It
// does not reject the script, since the script may mention process IDs in code that
// never runs.
func (w *rewriter) replaceIDs(parts []syntax.WordPart) {
	for i, part := range parts {
		p, ok := part.(*syntax.ParamExp)
		if ok && p.Short && isID(p.Param.Value) {
			parts[i] = substitution(pidCommand, p.Param.Value)
		}
	}
}

// replaceHome replaces ~user at the beginning of a word with a command that prints the
// home directory of this user in the image.
func (w *rewriter) replaceHome(word *syntax.Word) {
	split := *word // a copy, because SplitBraces replaces the parts
	if syntax.SplitBraces(&split) && !w.checkBraces(&split) || len(word.Parts) == 0 {
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

// checkBraces reports whether a brace expansion is supported: it must not result in too
// many words, nor in words that begin with ~user. If it is unsupported, checkBraces
// sets w.err.
func (w *rewriter) checkBraces(word *syntax.Word) bool {
	if n := countBraces(word); n > maxBraces {
		w.err = unsupportedf("expands braces to at most %d words", maxBraces)
	}
	if beginsWithTilde(word) {
		w.err = unsupportedf("does not support ~user in braces")
	}
	return w.err == nil
}

// beginsWithTilde reports whether one of the words from a brace expansion begins with
// ~.
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

// insertCheck inserts a command substitution at the beginning of value, the right side
// of an assignment. When the shell expands the value, the substitution first checks the
// total size of all variables.
func (w *rewriter) insertCheck(value *syntax.Word) {
	if value == nil || len(value.Parts) == 0 || value.Lit() != "" {
		return
	}
	at := 0
	if l, ok := value.Parts[0].(*syntax.Lit); ok && strings.HasPrefix(l.Value, "~") {
		at = 1 // ~ is expanded only at the beginning
	}
	value.Parts = slices.Insert(value.Parts, at, syntax.WordPart(substitution(boundCommand, strconv.Itoa(w.limit))))
}

// substitution returns the syntax tree of the command substitution $(name arg).
func substitution(name, arg string) *syntax.CmdSubst {
	word := func(text string) *syntax.Word {
		return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: text}}}
	}
	call := &syntax.CallExpr{Args: []*syntax.Word{word(name), word(arg)}}
	return &syntax.CmdSubst{Stmts: []*syntax.Stmt{{Cmd: call}}}
}

// variableLimit returns the maximum total size of all variables in bytes. The limit is
// at most maxValues, and small enough that no word of the script expands to more than
// maxWord bytes.
func variableLimit(prog *syntax.File) int {
	limit := maxValues
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
				values += len(p.Repl.With.Lit()) // the text may replace each character
			default:
				limit = min(limit, maxSquare)
			}
			return true
		})
		limit = min(limit, maxWord/max(values, 1))
		return true
	})
	return limit
}

// countBraces returns the number of words to which the braces of a word expand. If the
// number exceeds maxBraces, countBraces may return any other number above maxBraces.
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
