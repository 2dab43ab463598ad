package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/internal/suggest"
	"slipway/parser"
)

// misplacedFlag returns an error about a flag of an instruction that no extension may change, if
// the flag extends other instructions. Without the error, such a flag of ARG or STOPSIGNAL would
// have no effect, because docker/dockerfile ignores unknown flags of these.
func misplacedFlag(in *parser.Instruction, keyword string) *diag.Diagnostic {
	remedy := ""
	switch keyword {
	case "arg":
		remedy = "use LET --%s, or put the ARG into a file for INCLUDE --if"
	case "stopsignal", "healthcheck", "maintainer":
		remedy = "put the instruction into a file for INCLUDE --if"
	case "from":
		remedy = "write FROM image AS name IF condition"
	default:
		return nil
	}
	for _, flag := range in.Flags {
		if flag.Name != "if" && (flag.Name != "file" || keyword != "arg") {
			continue
		}
		remedy = strings.ReplaceAll(remedy, "%s", flag.Name)
		return diag.Errorf(flag.NameRange, "%s has no flag --%s: %s", strings.ToUpper(keyword), flag.Name, remedy)
	}
	return nil
}

// splitCondition returns an error if the text after the flags continues the condition of --if,
// which ends at the first space outside quotes.
func splitCondition(in *parser.Instruction, ext *Extension) *diag.Diagnostic {
	flag := ext.Flag("if")
	if flag == nil {
		return nil
	}
	for _, operator := range []string{"== ", "!= ", "&& ", "|| "} {
		if strings.HasPrefix(in.Rest.String(), operator) {
			at := in.Rest.Slice(0, len(operator)-1).Range()
			return diag.Errorf(at, "the condition of --if ends at the space before %s: quote it, as in --if='$A == b'", strings.TrimSpace(operator))
		}
	}
	return nil
}

// blockHint returns the text that follows the error about an unknown instruction, if the
// instruction is a part of a conditional block in other languages.
func blockHint(keyword string) string {
	switch strings.ToLower(keyword) {
	case "if", "elif", "elseif", "else", "endif", "end", "fi":
		return " (conditions are flags: RUN --if=CONDITION …, INCLUDE --if=CONDITION file, FROM image IF CONDITION)"
	}
	return ""
}

// unknownGated returns the error about an unknown instruction in a file with a gate.
func unknownGated(in *parser.Instruction) *diag.Diagnostic {
	word := in.Keyword.String()
	hint := blockHint(word)
	if hint == "" {
		hint = suggest.Hint(word, append(names(), dialect.Keywords()...), false)
	}
	return diag.Errorf(in.Keyword.Range(), "unknown instruction: %s%s", word, hint)
}
