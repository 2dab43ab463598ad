package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/joshdk/go-junit"

	"slipway/lint"
	"slipway/lint/report"
	"slipway/lint/rules"
	"slipway/source"
)

// TestJUnitReader reads a report with a reader of JUnit's XML, and checks the outcome of each case.
func TestJUnitReader(t *testing.T) {
	suites, err := junit.IngestFile("testdata/junit")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range suites {
		got = append(got, fmt.Sprintf("%s: %d tests, %d failed, %d errors, %d passed", s.Name, s.Totals.Tests, s.Totals.Failed, s.Totals.Error, s.Totals.Passed))
		for _, c := range s.Tests {
			line := fmt.Sprintf("%s %s: %s", c.Classname, c.Name, c.Status)
			if c.Status == junit.StatusFailed {
				line += fmt.Sprintf(" (%s, %t)", c.Properties["name"], c.Error != nil && c.Message != "")
			}
			got = append(got, line)
		}
	}
	want := []string{
		"a b/Dockerfile: 4 tests, 4 failed, 0 errors, 0 passed",
		"a b/Dockerfile PipefailMissing at 4:10: failed (PipefailMissing at 4:10, true)",
		"a b/Dockerfile NoSudo at 4:12: failed (NoSudo at 4:12, true)",
		"a b/Dockerfile JSONArgsRecommended at 5:6: failed (JSONArgsRecommended at 5:6, true)",
		"a b/Dockerfile error at 6:1: failed (error at 6:1, true)",
		"clean: 1 tests, 0 failed, 0 errors, 1 passed",
		"clean no findings: passed",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// grammar lists the elements of an XML format by name.
type grammar map[string]element

// element is an element of an XML format.
type element struct {
	required map[string]func(string) bool // attributes, and whether a value is valid
	optional []string
	children []string
}

// junitGrammar returns the grammar of the schema that Jenkins publishes for its reader
// (junit-10.xsd), as far as reports of tools other than JUnit use it.
func junitGrammar() grammar {
	counts := map[string]func(string) bool{"name": isText, "tests": isCount, "failures": isCount}
	failure := element{required: map[string]func(string) bool{"message": isText, "type": isText}}
	return grammar{
		"":           {children: []string{"testsuites"}},
		"testsuites": {required: counts, optional: []string{"time", "errors", "disabled"}, children: []string{"testsuite"}},
		"testsuite": {
			required: counts,
			optional: []string{"errors", "skipped", "time", "timestamp", "hostname", "id", "package", "file"},
			children: []string{"testcase", "properties", "system-out", "system-err"},
		},
		"testcase": {
			required: map[string]func(string) bool{"name": isText, "classname": isText},
			optional: []string{"time", "status", "assertions", "file", "line"},
			children: []string{"failure", "error", "skipped", "system-out", "system-err"},
		},
		"failure": failure,
		"error":   failure,
	}
}

// checkstyleGrammar returns the grammar that readers of Checkstyle's XML accept, such as Jenkins'
// and reviewdog's.
func checkstyleGrammar() grammar {
	severity := func(s string) bool { return slices.Contains([]string{"error", "warning", "info"}, s) }
	return grammar{
		"":           {children: []string{"checkstyle"}},
		"checkstyle": {required: map[string]func(string) bool{"version": isText}, children: []string{"file"}},
		"file":       {required: map[string]func(string) bool{"name": isText}, children: []string{"error"}},
		"error": {required: map[string]func(string) bool{
			"line": isPosition, "column": isPosition, "severity": severity, "message": isText, "source": isText,
		}},
	}
}

func isText(s string) bool { return s != "" }

func isCount(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0
}

func isPosition(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1
}

// check returns an error unless a document has the grammar.
func (g grammar) check(document []byte) error {
	d := xml.NewDecoder(bytes.NewReader(document))
	path := []string{""}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			if parent := path[len(path)-1]; !slices.Contains(g[parent].children, name) {
				return fmt.Errorf("%s in %q", name, parent)
			}
			if err := g[name].attributes(e.Attr); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			path = append(path, name)
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
}

// attributes returns an error unless an element has all required attributes and no unknown one.
func (e element) attributes(attrs []xml.Attr) error {
	found := map[string]bool{}
	for _, a := range attrs {
		name := a.Name.Local
		valid, required := e.required[name]
		switch {
		case found[name]:
			return fmt.Errorf("%s is set twice", name)
		case !required && !slices.Contains(e.optional, name):
			return fmt.Errorf("unknown attribute %s", name)
		case required && !valid(a.Value):
			return fmt.Errorf("invalid value %q of %s", a.Value, name)
		}
		found[name] = true
	}
	for name := range e.required {
		if !found[name] {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return nil
}

// TestXMLEscapes checks that readers get names and messages with characters that XML escapes or
// forbids.
func TestXMLEscapes(t *testing.T) {
	const name = "a<b>&'\"\x01\xff/Dockerfile"
	l := lint.New(rules.All(), lint.Settings{})
	res := l.Lint(t.Context(), source.NewFile(name, []byte("FROM a:1 AS <&\"\x02]]>\n")), lint.Options{})
	files := []report.File{{Name: name, Result: res, Findings: res.Findings, Prints: res.Fingerprints(res.Findings)}}
	for format, g := range map[string]grammar{"junit": junitGrammar(), "checkstyle": checkstyleGrammar()} {
		var b bytes.Buffer
		if err := report.Write(&b, format, files, report.Options{}); err != nil {
			t.Fatal(err)
		}
		if err := g.check(b.Bytes()); err != nil {
			t.Errorf("%s: %v\n%s", format, err, b.Bytes())
		}
		if format != "junit" {
			continue
		}
		suites, err := junit.Ingest(b.Bytes())
		if err != nil || len(suites) != 1 || suites[0].Name != "a<b>&'\"\uFFFD/Dockerfile" || suites[0].Totals.Failed != len(res.Findings) || len(res.Findings) == 0 {
			t.Errorf("suites %+v, error %v", suites, err)
		}
	}
}

// TestXMLGrammar checks reports by the grammars of their readers, and that the check notices
// reports with a mistake.
func TestXMLGrammar(t *testing.T) {
	for _, tc := range []struct {
		file     string
		grammar  grammar
		mistakes map[string]string // texts and their replacements
	}{
		{"testdata/junit", junitGrammar(), map[string]string{
			"failures=\"4\"": "failures=\"-1\"", "classname=": "class=", "</testsuites>": "", "<failure": "<fault", " name=\"clean\"": "",
		}},
		{"testdata/checkstyle", checkstyleGrammar(), map[string]string{
			"line=\"4\"": "line=\"0\"", "severity=\"error\"": "severity=\"style\"", "<error": "<file", " version=\"4.3\"": "", " column": " col",
		}},
	} {
		document, err := os.ReadFile(tc.file)
		if err != nil {
			t.Fatal(err)
		}
		if err := tc.grammar.check(document); err != nil {
			t.Errorf("%s: %v", tc.file, err)
		}
		for from, to := range tc.mistakes {
			if !bytes.Contains(document, []byte(from)) {
				t.Errorf("%s does not contain %s", tc.file, from)
			}
			if tc.grammar.check(bytes.ReplaceAll(document, []byte(from), []byte(to))) == nil {
				t.Errorf("%s with %s instead of %s: no error", tc.file, to, from)
			}
		}
	}
}
