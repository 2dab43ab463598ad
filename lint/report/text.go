package report

import (
	"fmt"
	"io"
	"strings"

	"slipway/diag"
	"slipway/source"
)

// writeText writes the findings with excerpts of the files, and a line with their number.
func writeText(w io.Writer, files []File, opt Options) error {
	for _, file := range files {
		list := make(diag.List, len(file.Findings))
		for i, f := range file.Findings {
			d := f.Shown()
			d.Code = names(f)
			d.Context = source.Range{}
			d.URL = ""
			list[i] = &d
		}
		if err := diag.Text(w, list, diag.TextOptions{Color: opt.Color}); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, Count(files).text(len(files)))
	return err
}

// text returns a sentence with the counts, such as "3 errors, 2 warnings in 4 files".
func (c Counts) text(files int) string {
	var parts []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	add(c.Errors, "error", "errors")
	add(c.Warnings, "warning", "warnings")
	add(c.Infos, "info", "infos")
	add(c.Styles, "style", "styles")
	text := strings.Join(parts, ", ")
	if text == "" {
		text = "no findings"
	}
	parts = parts[:0]
	add(files, "file", "files")
	text += " in " + strings.Join(parts, "")
	if c.Hidden > 0 {
		text += fmt.Sprintf(" (%d hidden by the baseline)", c.Hidden)
	}
	return text
}

// writeGNU writes a line for each finding in the form of the GNU coding standards.
func writeGNU(w io.Writer, files []File, _ Options) error {
	var b strings.Builder
	for _, file := range files {
		for _, f := range file.Findings {
			p := place(f)
			fmt.Fprintf(&b, "%s:%d.%d-%d.%d: %s: %s [%s]\n", file.Name, p.line, p.column, p.endLine, max(p.endColumn-1, 1), f.Severity, diag.Line(message(f)), names(f))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeGitHub writes a workflow command of GitHub Actions for each finding.
func writeGitHub(w io.Writer, files []File, _ Options) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var b strings.Builder
	for _, file := range files {
		for _, f := range file.Findings {
			p := place(f)
			level := "notice"
			switch f.Severity {
			case diag.Error, diag.Warning:
				level = f.Severity.String()
			}
			fmt.Fprintf(&b, "::%s file=%s,line=%d,endLine=%d,col=%d,endColumn=%d,title=%s::%s\n", level,
				property.Replace(file.Name), p.line, p.endLine, p.column, p.endColumn, property.Replace(names(f)), data.Replace(message(f)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
