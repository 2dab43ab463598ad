package answers

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"
	"text/tabwriter"
)

// ReportFormat is a format of a [Report].
type ReportFormat string

// The formats of reports.
const (
	ReportText     ReportFormat = "text"
	ReportMarkdown ReportFormat = "md"
	ReportJSON     ReportFormat = "json"
	ReportHTML     ReportFormat = "html"
)

// maxRows is the maximum number of rows of a table in text.
const maxRows = 20

// Write writes the report in a format. Equal reports give equal bytes.
func (r *Report) Write(w io.Writer, format ReportFormat) error {
	var b strings.Builder
	switch format {
	case ReportText:
		r.writeText(&b)
	case ReportMarkdown:
		r.writeMarkdown(&b)
	case ReportJSON:
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	case ReportHTML:
		r.writeHTML(&b)
	default:
		return fmt.Errorf("unknown format of a report: %q", format)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeText writes the report for a terminal. Tables have at most maxRows rows.
func (r *Report) writeText(b *strings.Builder) {
	fmt.Fprintf(b, "%s\n%s\n", r.heading(), r.summary())
	for _, t := range r.tables() {
		fmt.Fprintf(b, "\n%s\n", t.title)
		if t.note != "" {
			fmt.Fprintf(b, "  %s\n", t.note)
		}
		w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "  %s\n", strings.ToUpper(strings.Join(t.head, "\t")))
		for _, row := range t.rows[:min(len(t.rows), maxRows)] {
			cells := append([]string{}, row...)
			cells[t.code] = short(cells[t.code])
			fmt.Fprintf(w, "  %s\n", strings.Join(cells, "\t"))
		}
		_ = w.Flush() // b returns no error
		trimLines(b)
		if n := len(t.rows) - maxRows; n > 0 {
			fmt.Fprintf(b, "  and %d more (--report=FILE.md has all)\n", n)
		}
	}
	if len(r.Unknown) > 0 {
		b.WriteString("\nUnknown\n")
	}
	for _, u := range r.Unknown {
		fmt.Fprintf(b, "  %s\n", u)
	}
}

// trimLines removes spaces at the ends of lines.
func trimLines(b *strings.Builder) {
	lines := strings.Split(b.String(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	b.Reset()
	b.WriteString(strings.Join(lines, "\n"))
}

// writeMarkdown writes the report as Markdown with GitHub's tables.
func (r *Report) writeMarkdown(b *strings.Builder) {
	fmt.Fprintf(b, "# %s\n\n%s\n", markdownText(r.heading()), markdownText(r.summary()))
	for _, t := range r.tables() {
		fmt.Fprintf(b, "\n## %s\n", markdownText(t.title))
		if t.note != "" {
			fmt.Fprintf(b, "\n%s\n", markdownText(t.note))
		}
		fmt.Fprintf(b, "\n| %s |\n|%s%s\n", strings.Join(t.head, " | "), strings.Repeat("--:|", t.numeric), strings.Repeat("---|", len(t.head)-t.numeric))
		for _, row := range t.rows {
			cells := make([]string, len(row))
			for i, c := range row {
				cells[i] = markdownText(c)
				if i == t.code {
					cells[i] = markdownCode(c)
				}
			}
			fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
		}
	}
	if len(r.Unknown) > 0 {
		b.WriteString("\n## Unknown\n\n")
	}
	for _, u := range r.Unknown {
		fmt.Fprintf(b, "- %s\n", markdownText(u))
	}
}

// markdownText escapes all characters that have a meaning in Markdown.
func markdownText(s string) string {
	var b strings.Builder
	for _, c := range s {
		if strings.ContainsRune("\\`*_{}[]<>|~#&!", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// markdownCode returns a code span for a cell of a table. The delimiter is longer than any run of
// backquotes in the text.
func markdownCode(s string) string {
	run, longest := 0, 0
	for _, c := range s {
		if run++; c != '`' {
			run = 0
		}
		longest = max(longest, run)
	}
	delimiter := strings.Repeat("`", longest+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return delimiter + strings.ReplaceAll(s, "|", `\|`) + delimiter
}

// writeHTML writes the report as an HTML page. It is one file that loads nothing, with the style of the
// page of a graph.
func (r *Report) writeHTML(b *strings.Builder) {
	_, style, _ := strings.Cut(pageText, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	var tables strings.Builder
	for _, t := range r.tables() {
		r.tableHTML(&tables, t)
	}
	if len(r.Unknown) > 0 {
		fmt.Fprintf(&tables, "<section>\n<h2>Unknown</h2>\n<ul>\n")
		for _, u := range r.Unknown {
			fmt.Fprintf(&tables, "<li>%s</li>\n", text(u))
		}
		tables.WriteString("</ul>\n</section>\n")
	}
	fillPage(b, reportPage, map[string]string{
		"heading": text(r.heading()), "summary": text(r.summary()), "tables": tables.String(),
		"style": strings.ReplaceAll(style, "{{svg-style}}", ""),
	})
}

// reportPage is the page of a report. Each {{NAME}} is replaced by HTML.
const reportPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{{heading}}</title>
<style>{{style}}table{table-layout:auto}td,th{white-space:normal;text-align:left;vertical-align:top;padding:2px 10px 2px 0}td.number,th.number{text-align:right;white-space:nowrap}td.name{width:auto}td.track-cell{width:30%}
</style>
</head>
<body>
<header>
<h1>{{heading}}</h1>
<p>{{summary}}</p>
</header>
<main>
{{tables}}</main>
</body>
</html>
`

// tableHTML writes a table. The table of steps has a bar for each step.
func (r *Report) tableHTML(b *strings.Builder, t *table) {
	fmt.Fprintf(b, "<section>\n<h2>%s</h2>\n", html.EscapeString(t.title))
	if t.note != "" {
		fmt.Fprintf(b, "<p class=\"muted\">%s</p>\n", html.EscapeString(t.note))
	}
	b.WriteString("<table>\n<tr>")
	for i, h := range t.head {
		fmt.Fprintf(b, "<th%s>%s</th>", t.class(i), h)
	}
	if t.bars != nil {
		b.WriteString("<th>from start to end of the build</th>")
	}
	b.WriteString("</tr>\n")
	for i, row := range t.rows {
		b.WriteString("<tr>")
		for k, c := range row {
			cell := text(c)
			if k == t.code {
				cell = "<code>" + cell + "</code>"
			}
			fmt.Fprintf(b, "<td%s>%s</td>", t.class(k), cell)
		}
		if t.bars != nil {
			r.barHTML(b, t.bars[i])
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table>\n</section>\n")
}

// class returns the class attribute of the cells in a column.
func (t *table) class(column int) string {
	switch {
	case column < t.numeric:
		return ` class="number"`
	case column == t.code:
		return ` class="name"`
	}
	return ""
}

// barHTML writes the cell with the bar of a step.
func (r *Report) barHTML(b *strings.Builder, s *ReportStep) {
	percent := func(m Milliseconds) float64 { return 100 * float64(m) / float64(max(1, r.Milliseconds)) }
	fmt.Fprintf(b, "<td class=\"track-cell\"><div class=\"track\"><div class=\"bar %s\" style=\"left:%.2f%%;width:%.2f%%\"></div></div></td>", s.Outcome, min(99.8, percent(s.Start)), percent(s.Milliseconds))
}
