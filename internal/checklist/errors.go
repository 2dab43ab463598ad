package checklist

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"slipway/internal/golden"
)

// errorSubjects returns the directories of testdata/error in the order of the page, with titles.
func errorSubjects() [][2]string {
	return [][2]string{
		{"parse", "Lines and words"},
		{"flag", "Flags"},
		{"variable", "Variables"},
		{"stage", "FROM and stages"},
		{"copy", "COPY and ADD"},
		{"run", "RUN"},
		{"mount", "Mounts"},
		{"config", "Instructions for the image config"},
		{"onbuild", "ONBUILD"},
		{"windows", "Windows"},
		{"option", "Options of the build"},
		{"hint", "Hints"},
		{"order", "The first of several errors"},
	}
}

// Errors returns the reference of errors in Markdown: each error in the corpus with its cause.
// Of cases with the same error, only the first by title is listed.
func Errors(corpus []*golden.Case) string {
	rows := map[string][][2]string{}
	for _, c := range corpus {
		text, _ := c.Out("error")
		parts := strings.Split(c.Name, "/")
		if parts[0] == "error" && text != "" {
			rows[parts[1]] = append(rows[parts[1]], [2]string{message(text), c.Title})
		}
	}
	var b strings.Builder
	for _, s := range errorSubjects() {
		list := rows[s[0]]
		slices.SortFunc(list, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
		list = slices.CompactFunc(list, func(a, b [2]string) bool { return a[0] == b[0] })
		fmt.Fprintf(&b, "\n## %s\n\n| error | why |\n|---|---|\n", s[1])
		for _, row := range list {
			fmt.Fprintf(&b, "| %s | %s |\n", row[0], cell(row[1]))
		}
		delete(rows, s[0])
	}
	for subject := range rows {
		fmt.Fprintf(&b, "\n%s: no title in errorSubjects\n", subject)
	}
	return b.String()
}

// message returns the message of the first error in a recorded text as Markdown code, without its
// location.
func message(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if _, after, ok := strings.Cut(line, "error: "); ok {
		line = after
	}
	if after, ok := strings.CutPrefix(line, "dockerfile parse error on line "); ok {
		if _, rest, ok := strings.Cut(after, ": "); ok {
			line = rest
		}
	}
	const limit = 200
	if runes := []rune(line); len(runes) > limit {
		line = string(runes[:limit]) + "…"
	}
	line = strings.ReplaceAll(line, "|", `\|`)
	if strings.Contains(line, "`") {
		return "`` " + line + " ``"
	}
	return "`" + line + "`"
}
