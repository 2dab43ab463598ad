package report

import (
	"fmt"
	"io"
	"strings"

	"slipway/diag"
)

// xmlText escapes a text for XML. It drops characters that XML does not allow.
func xmlText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#10;", "\t", "&#9;").Replace(s)
}

// writeCheckstyle writes the XML of Checkstyle.
func writeCheckstyle(w io.Writer, files []File, _ Options) error {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<checkstyle version=\"4.3\">\n")
	for _, file := range files {
		fmt.Fprintf(&b, "  <file name=\"%s\">\n", xmlText(file.Name))
		for _, f := range file.Findings {
			p := place(f)
			severity := "info"
			switch f.Severity {
			case diag.Error, diag.Warning:
				severity = f.Severity.String()
			}
			fmt.Fprintf(&b, "    <error line=\"%d\" column=\"%d\" severity=\"%s\" message=\"%s\" source=\"%s\"/>\n",
				p.line, p.column, severity, xmlText(message(f)), xmlText(f.Code))
		}
		b.WriteString("  </file>\n")
	}
	b.WriteString("</checkstyle>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// writeJUnit writes the XML of JUnit: a suite for each file, and a case for each finding. A file
// without findings has one case that passes.
func writeJUnit(w io.Writer, files []File, _ Options) error {
	var b strings.Builder
	total := 0
	for _, file := range files {
		total += len(file.Findings)
	}
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"slipway lint\" tests=\"%d\" failures=\"%d\">\n", max(total, len(files)), total)
	for _, file := range files {
		n := len(file.Findings)
		fmt.Fprintf(&b, "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"0\">\n", xmlText(file.Name), max(n, 1), n)
		if n == 0 {
			fmt.Fprintf(&b, "    <testcase classname=\"%s\" name=\"no findings\"/>\n", xmlText(file.Name))
		}
		for _, f := range file.Findings {
			p := place(f)
			fmt.Fprintf(&b, "    <testcase classname=\"%s\" name=\"%s at %d:%d\">\n      <failure type=\"%s\" message=\"%s\">%s:%d:%d</failure>\n    </testcase>\n",
				xmlText(file.Name), xmlText(f.Code), p.line, p.column, f.Severity, xmlText(message(f)), xmlText(file.Name), p.line, p.column)
		}
		b.WriteString("  </testsuite>\n")
	}
	b.WriteString("</testsuites>\n")
	_, err := io.WriteString(w, b.String())
	return err
}
