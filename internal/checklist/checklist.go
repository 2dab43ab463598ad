package checklist

import (
	"fmt"
	"slices"
	"strings"

	"slipway/internal/golden"
)

// Section is a numbered section of the checklist.
type Section struct {
	Number     string // number such as 4.5; headers of cases contain this number or the number of a subsection
	Title      string
	Statements []Statement // statements in order; empty if only cases refer to the section
}

// Statement is a statement about the behavior of docker/dockerfile, with the names of the test
// cases that demonstrate it.
type Statement struct {
	Text  string
	Cases []string // names of the cases; Check requires at least one
	Line  int      // line number in the checklist, starting at 1
}

// Parse parses the checklist. A line without indentation starts a section, a line indented by
// two spaces is a statement, and a line indented by four spaces lists cases of the statement
// above it. Lines that start with # are comments. Parse returns an error for the first line in
// any other form.
func Parse(text string) ([]Section, error) {
	var sections []Section
	var statement *Statement
	for i, line := range strings.Split(text, "\n") {
		words := strings.TrimLeft(line, " ")
		switch indent := len(line) - len(words); {
		case words == "" || indent == 0 && strings.HasPrefix(line, "#"):
		case indent == 0:
			number, title, ok := strings.Cut(line, " ")
			if !ok {
				return nil, fmt.Errorf("line %d: section %s has no title", i+1, number)
			}
			sections, statement = append(sections, Section{Number: number, Title: title}), nil
		case indent == 2 && len(sections) > 0:
			s := &sections[len(sections)-1]
			s.Statements = append(s.Statements, Statement{Text: words, Line: i + 1})
			statement = &s.Statements[len(s.Statements)-1]
		case indent == 4 && statement != nil:
			statement.Cases = append(statement.Cases, strings.Fields(words)...)
		default:
			return nil, fmt.Errorf("line %d is indented by %d blanks (use 0, 2 or 4)", i+1, indent)
		}
	}
	return sections, nil
}

// Check returns one error for each inconsistency between the checklist and the given test
// cases. Errors about the checklist come first, followed by errors about cases whose section is
// not in the checklist.
func Check(sections []Section, corpus []*golden.Case) []error {
	var problems []error
	numbers := map[string]bool{}
	for _, s := range sections {
		if numbers[s.Number] {
			problems = append(problems, fmt.Errorf("section %s appears twice", s.Number))
		}
		numbers[s.Number] = true
		for _, st := range s.Statements {
			problems = append(problems, st.check(corpus)...)
		}
	}
	for _, c := range corpus {
		part, _, _ := strings.Cut(c.Section, ".")
		if !numbers[c.Section] && !numbers[part] {
			problems = append(problems, fmt.Errorf("%s: section %q is not in the list", c.Name, c.Section))
		}
	}
	return problems
}

func (st *Statement) check(corpus []*golden.Case) []error {
	var problems []error
	if len(st.Cases) == 0 {
		problems = append(problems, fmt.Errorf("line %d: the statement has no case", st.Line))
	}
	for i, name := range st.Cases {
		if find(corpus, name) == nil {
			problems = append(problems, fmt.Errorf("line %d: case %s does not exist", st.Line, name))
		}
		if slices.Contains(st.Cases[:i], name) {
			problems = append(problems, fmt.Errorf("line %d: case %s appears twice", st.Line, name))
		}
	}
	return problems
}

// find returns the test case with the given name, or nil if corpus does not contain it. The
// parameter corpus must be sorted by name.
func find(corpus []*golden.Case, name string) *golden.Case {
	i, ok := slices.BinarySearchFunc(corpus, name, func(c *golden.Case, name string) int {
		return strings.Compare(c.Name, name)
	})
	if !ok {
		return nil
	}
	return corpus[i]
}
