package instructions

import (
	"slices"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/internal/suggest"
	"slipway/parser"
	"slipway/source"
)

// Extension contains the flags of an instruction that extend the language.
type Extension struct {
	Flags    []*parser.Flag // all of them, in order
	If       *Condition     // --if; nil if absent
	Expand   bool           // --expand
	IfExists bool           // --if-exists
	NoCache  bool           // --no-cache
	Shell    []string       // --shell; nil if absent
	File     parser.Word    // --file; Value is "" if absent
	From     parser.Word    // --from of INCLUDE; Value is "" if absent
	Test     []parser.Word  // the words of the command of HEALTHCHECK
}

// Condition is a condition with the positions of its words.
type Condition struct {
	*dialect.Condition
	Flag    *parser.Flag                // the flag --if; nil for IF of FROM
	Keyword source.Range                // the flag, or the keyword IF
	Range   source.Range                // the condition without flag or keyword
	slice   func(i, j int) source.Range // the range of a part of the condition
}

// Word returns a word of the condition with its source text.
func (c *Condition) Word(w dialect.ConditionWord) parser.Word {
	return parser.Word{Value: w.Text, Text: c.slice(w.Start, w.End).Text()}
}

// newCondition parses the text of a condition. The callback slice returns the range of a part
// of the text.
func newCondition(text string, slice func(i, j int) source.Range) (*Condition, *diag.Diagnostic) {
	c, err := dialect.ParseCondition(text)
	if err != nil {
		e := err.(*dialect.ConditionError) //nolint:errorlint,forcetypeassert // see ParseCondition
		return nil, diag.Errorf(slice(e.Start, e.End), "%s", e.Message)
	}
	return &Condition{Condition: c, Range: slice(0, len(text)), slice: slice}, nil
}

// isExtension reports whether the keyword of the instruction extends the language.
func isExtension(in *parser.Instruction) bool {
	_, ok := dialect.Find(in.Keyword.String(), "")
	return ok
}

// buildExtended converts an instruction of a file with a gate.
func buildExtended(in *parser.Instruction, gate *dialect.Gate) (Command, *diag.Diagnostic) {
	keyword := strings.ToLower(in.Keyword.String())
	if d := checkTrigger(in); d != nil {
		return nil, d
	}
	if d := misplacedFlag(in, keyword); d != nil {
		return nil, d
	}
	if keyword == "from" {
		return buildConditionalFrom(in)
	}
	plain, ext, d := cutExtension(in, gate)
	if d != nil {
		return nil, d
	}
	c, d := buildGated(plain, keyword, gate, ext)
	if d != nil {
		return nil, suggestExtension(d, in)
	}
	c.(interface { //nolint:forcetypeassert // all commands embed Node
		attach(*parser.Instruction, *Extension)
	}).attach(in, ext)
	if d := checkExtension(c); d != nil {
		return nil, d
	}
	return c, splitCondition(plain, ext)
}

// attach sets the instruction as written, including the flags that extend the language.
func (n *Node) attach(in *parser.Instruction, ext *Extension) { n.In, n.Ext = in, ext }

// buildGated converts an instruction without the flags that extend the language.
func buildGated(in *parser.Instruction, keyword string, gate *dialect.Gate, ext *Extension) (Command, *diag.Diagnostic) {
	f, ok := dialect.Find(keyword, "")
	if file := ext.Flag("file"); file != nil && !ok {
		return buildPairsFile(in, keyword, file)
	}
	if keyword == "run" {
		return buildRunWith(in, true)
	}
	if !ok {
		if b := findBuilder(in); b != nil {
			return b(in)
		}
		return nil, unknownGated(in)
	}
	if d := gate.Allow(f, in.Keyword.Range()); d != nil {
		return nil, d
	}
	switch keyword {
	case "include":
		return buildInclude(in, ext)
	case "let":
		return buildLet(in)
	case "unset":
		return buildUnset(in)
	}
	return nil, unknownKeyword(in)
}

// checkTrigger returns an error if the instruction is an ONBUILD whose trigger is an extension.
func checkTrigger(in *parser.Instruction) *diag.Diagnostic {
	sub, ok := in.Args.(*parser.Sub)
	if !ok {
		return nil
	}
	const reason = "%s is an extension of Slipway, and triggers run in other builds: not allowed in ONBUILD"
	keyword := sub.Instruction.Keyword
	if f, ok := dialect.Find(keyword.String(), ""); ok {
		return diag.Errorf(keyword.Range(), reason, f)
	}
	for i := range sub.Instruction.Flags {
		flag := &sub.Instruction.Flags[i]
		if _, ok := dialect.Find(keyword.String(), flag.Name); ok {
			return diag.Errorf(flag.NameRange, reason, "--"+flag.Name)
		}
		if refersToFile(flag) {
			return diag.Errorf(flag.Text.Range(), reason, "a stage of another Dockerfile")
		}
	}
	return nil
}

// refersToFile reports whether a flag is a --from or a --mount that reads a stage of another
// Dockerfile.
func refersToFile(f *parser.Flag) bool {
	from := f.Value
	if f.Name == "mount" {
		m, _ := parseMount(f, true) // a trigger is parsed again
		from = m.From
	} else if f.Name != "from" {
		return false
	}
	_, ok := dialect.ParseFileRef(from)
	return ok
}

// cutExtension splits the flags of an instruction. It returns a copy of the instruction that
// has only the flags of plain Dockerfiles, and the other flags. If there are no other flags, it
// returns the instruction itself and nil.
func cutExtension(in *parser.Instruction, gate *dialect.Gate) (*parser.Instruction, *Extension, *diag.Diagnostic) {
	var ext *Extension
	var plain []parser.Flag
	for i := range in.Flags {
		flag := &in.Flags[i]
		f, ok := dialect.Find(in.Keyword.String(), flag.Name)
		if !ok {
			plain = append(plain, *flag)
			continue
		}
		if d := gate.Allow(f, flag.NameRange); d != nil {
			return nil, nil, d
		}
		if ext == nil {
			ext = &Extension{}
		}
		if d := ext.add(flag); d != nil {
			return nil, nil, d
		}
	}
	if ext == nil {
		return in, nil, nil
	}
	c := *in
	c.Flags = plain
	return &c, ext, nil
}

// add adds a flag to the extension.
func (x *Extension) add(f *parser.Flag) *diag.Diagnostic {
	for _, other := range x.Flags {
		if other.Name == f.Name {
			return diag.Errorf(f.Text.Range(), "duplicate flag specified: --%s", f.Name).Note(other.Text.Range(), "first specified here")
		}
	}
	x.Flags = append(x.Flags, f)
	kind := stringFlag
	var to *bool
	switch f.Name {
	case "expand":
		kind, to = boolFlag, &x.Expand
	case "if-exists":
		kind, to = boolFlag, &x.IfExists
	case "no-cache":
		kind, to = boolFlag, &x.NoCache
	}
	if d := checkFlag(f, kind); d != nil {
		if f.Name == "if" {
			d.Message += " (write --if=CONDITION)"
		}
		return d
	}
	if to != nil {
		*to = !strings.EqualFold(f.Value, "false")
	}
	var d *diag.Diagnostic
	switch f.Name {
	case "if":
		if x.If, d = newCondition(f.Value, newValueMap(f).slice); d == nil {
			x.If.Flag, x.If.Keyword = f, f.Text.Range()
		}
	case "shell":
		x.Shell, d = parseShell(f)
	case "from":
		x.From = flagWord(f)
	case "file":
		if x.File = flagWord(f); f.Value == "" {
			d = diag.Errorf(f.Text.Range(), "--file needs the path of a file in the build context")
		}
	}
	return d
}

// Flag returns the flag of the extension with the given name, or nil.
func (x *Extension) Flag(name string) *parser.Flag {
	if x == nil {
		return nil
	}
	i := slices.IndexFunc(x.Flags, func(f *parser.Flag) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return x.Flags[i]
}

// suggestExtension adds a suggestion to the error about an unknown flag, if a flag that extends
// the language is similar.
func suggestExtension(d *diag.Diagnostic, in *parser.Instruction) *diag.Diagnostic {
	name, ok := strings.CutPrefix(d.Message, "unknown flag: --")
	if ok && !strings.Contains(name, " ") {
		d.Message += suggest.Hint(name, dialect.Flags(in.Keyword.String()), true)
	}
	return d
}

// checkExtension returns an error if a flag that extends the language does not fit the rest of
// the instruction.
func checkExtension(c Command) *diag.Diagnostic {
	x := c.Extension()
	if arg, ok := c.(*Arg); ok && arg.Let {
		return checkLet(arg)
	}
	if x == nil {
		return nil
	}
	switch c := c.(type) {
	case *Run:
		return checkCommandLine(x, c.Shell)
	case *Cmd:
		return checkCommandLine(x, c.Shell)
	case *Entrypoint:
		return checkCommandLine(x, c.Shell)
	case *Healthcheck:
		return checkHealthcheck(c, x)
	case *Copy:
		return checkOptional(c, x)
	default:
		return nil
	}
}
