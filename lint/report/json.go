package report

import (
	"encoding/json"
	"io"

	"slipway/diag"
)

// jsonFinding is a finding in JSON: a diagnostic with the names of the rule, and the fields that
// readers of hadolint's JSON expect.
type jsonFinding struct {
	diag.Object
	Rule        string   `json:"rule"`
	Aliases     []string `json:"aliases,omitempty"`
	Fingerprint string   `json:"fingerprint"`
	Line        int      `json:"line"`
	Column      int      `json:"column"`
	Level       string   `json:"level"`
}

// encode writes a value as JSON with indentation.
func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeJSON writes an array with an object for each finding.
func writeJSON(w io.Writer, files []File, _ Options) error {
	list := []jsonFinding{}
	for _, file := range files {
		for i, f := range file.Findings {
			p := place(f)
			j := jsonFinding{
				Object: diag.NewObject(&f.Diagnostic), Rule: f.Code, Fingerprint: file.Prints[i],
				Line: p.line, Column: p.column, Level: f.Severity.String(),
			}
			if f.Alias != "" {
				j.Aliases = []string{f.Alias}
				j.Code = f.Alias
			}
			j.File = file.Name
			list = append(list, j)
		}
	}
	return encode(w, list)
}

// gitLabIssue is a finding in GitLab's form of Code Climate's JSON.
type gitLabIssue struct {
	Type        string   `json:"type"`
	Check       string   `json:"check_name"`
	Description string   `json:"description"`
	Content     any      `json:"content,omitempty"`
	Categories  []string `json:"categories"`
	Severity    string   `json:"severity"`
	Fingerprint string   `json:"fingerprint"`
	Location    struct {
		Path      string          `json:"path"`
		Lines     gitLabLines     `json:"lines"`
		Positions gitLabPositions `json:"positions"`
	} `json:"location"`
}

type (
	gitLabLines struct {
		Begin int `json:"begin"`
		End   int `json:"end"`
	}
	gitLabPositions struct {
		Begin gitLabPosition `json:"begin"`
		End   gitLabPosition `json:"end"`
	}
	gitLabPosition struct {
		Line   int `json:"line"`
		Column int `json:"column"`
	}
)

// writeGitLab writes an array with an issue for each finding.
func writeGitLab(w io.Writer, files []File, _ Options) error {
	list := []gitLabIssue{}
	for _, file := range files {
		for i, f := range file.Findings {
			p := place(f)
			issue := gitLabIssue{
				Type: "issue", Check: f.Code, Description: message(f), Categories: []string{"Bug Risk"},
				Severity: "info", Fingerprint: file.Prints[i],
			}
			switch f.Severity {
			case diag.Error:
				issue.Severity = "blocker"
			case diag.Warning:
				issue.Severity = "major"
			case diag.Info, diag.Note:
				issue.Severity = "minor"
			case diag.Style:
				issue.Categories = []string{"Style"}
			}
			issue.Location.Path = file.Name
			issue.Location.Lines = gitLabLines{p.line, p.endLine}
			issue.Location.Positions = gitLabPositions{gitLabPosition{p.line, p.column}, gitLabPosition{p.endLine, p.endColumn}}
			list = append(list, issue)
		}
	}
	return encode(w, list)
}
