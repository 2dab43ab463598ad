package lint

import (
	"bytes"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint/script"
	"slipway/parser"
	"slipway/source"
)

// Off is the severity of a rule that does not run.
const Off diag.Severity = -1

// Rule is a check: its name, its texts and its callbacks.
type Rule struct {
	Name     string // in PascalCase, such as UnpinnedApt
	Code     string // the code that hadolint uses for the check, such as DL3008, or ""
	Severity diag.Severity
	Hadolint diag.Severity // hadolint's severity; [Off] if hadolint does not have the check
	Summary  string        // the requirement in one sentence
	BuildKit bool          // whether the rule is one of BuildKit's build checks

	Checks
}

// Checks contains the callbacks of a rule. Most rules have only one callback. The order of the
// fields is the order of the calls.
type Checks struct {
	// File is called once for each file.
	File func(*Pass)
	// Node is called for each instruction as written, also for invalid ones.
	Node func(*Pass, *parser.Instruction)
	// Stage is called for each stage.
	Stage func(*Pass, *Stage)
	// Instruction is called for each valid instruction of each stage. The command is the
	// instruction or, for ONBUILD, the trigger.
	Instruction func(*Pass, *Instruction, instructions.Command)
	// Script is called for each script that runs at build time.
	Script func(*Pass, *script.Script)
	// Command is called for each command of each script that runs at build time.
	Command func(*Pass, *script.Command)
}

// names returns all names of the rule.
func (r *Rule) names() []string {
	if r.Code == "" {
		return []string{r.Name}
	}
	return []string{r.Name, r.Code}
}

// Finding is a diagnostic of a rule.
type Finding struct {
	diag.Diagnostic
	Rule    *Rule  // nil for an error in the syntax of the file or in the plan
	Alias   string // the code of the finding, such as DL4003; it may differ from the code of the rule
	Secret  bool   // whether reports must not show the text of the range
	Ignored string // the reason of the pragma that suppresses the finding, or "pragma"; "" if none does

	also *parser.Instruction // another instruction whose pragmas suppress the finding; nil if none
}

// Fix adds a fix to the finding. Safe fixes do not change the image.
func (f *Finding) Fix(title string, safe bool, edits ...diag.Edit) *Finding {
	f.Fixes = append(f.Fixes, diag.Fix{Title: title, Safe: safe, Edits: edits})
	return f
}

// Aliased sets the code of the finding.
func (f *Finding) Aliased(code string) *Finding {
	f.Alias = code
	return f
}

// Or makes the pragmas of another instruction suppress the finding, too.
func (f *Finding) Or(in *parser.Instruction) *Finding {
	f.also = in
	return f
}

// Shown returns the diagnostic for reports that show the text of the file. If the text is a
// secret, asterisks replace it.
func (f *Finding) Shown() diag.Diagnostic {
	d := f.Diagnostic
	if !f.Secret || d.Range.IsZero() {
		return d
	}
	text := bytes.Clone(d.Range.File.Bytes)
	for i := d.Range.Start; i < d.Range.End; i++ {
		if text[i] != '\n' && text[i] != '\r' {
			text[i] = '*'
		}
	}
	d.Range.File = source.NewFile(d.Range.File.Name, text)
	d.Context = source.Range{}
	return d
}
