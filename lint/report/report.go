package report

import (
	"fmt"
	"io"
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/lint"
)

// File contains the findings in one file.
type File struct {
	Name     string // the path, with slashes
	Result   *lint.Result
	Findings []*lint.Finding // those to report
	Prints   []string        // the fingerprint of each finding
	Hidden   int             // the number of findings that the baseline hides
}

// Options configures a report.
type Options struct {
	Color          bool
	Version        string       // the version of slipway
	Rules          []*lint.Rule // all rules, for formats that describe them
	ShowSuppressed bool         // whether SARIF contains suppressed findings
}

// format is an output format.
type format struct {
	names []string
	write func(io.Writer, []File, Options) error
}

// formats returns the output formats.
func formats() []format {
	return []format{
		{[]string{"text", "tty"}, writeText},
		{[]string{"json"}, writeJSON},
		{[]string{"sarif"}, writeSARIF},
		{[]string{"github"}, writeGitHub},
		{[]string{"checkstyle"}, writeCheckstyle},
		{[]string{"gitlab", "gitlab_codeclimate"}, writeGitLab},
		{[]string{"codeclimate"}, writeGitLab},
		{[]string{"junit"}, writeJUnit},
		{[]string{"gnu"}, writeGNU},
	}
}

// Check returns an error unless a format has the given name.
func Check(name string) error {
	_, err := find(name)
	return err
}

// Names returns the names of the formats.
func Names() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.names[0])
	}
	return names
}

// find returns the format with the given name.
func find(name string) (format, error) {
	var names []string
	for _, f := range formats() {
		for _, n := range f.names {
			if n == name {
				return f, nil
			}
			names = append(names, n)
		}
	}
	if name == "codacy" || name == "sonarqube" {
		return format{}, fmt.Errorf("unsupported format %q (use sarif, which %s reads)", name, name)
	}
	return format{}, fmt.Errorf("unknown format %q%s (want %s)", name, suggest.Hint(name, names, true), strings.Join(Names(), ", "))
}

// Write writes a report in the given format.
func Write(w io.Writer, name string, files []File, opt Options) error {
	f, err := find(name)
	if err != nil {
		return err
	}
	return f.write(w, files, opt)
}

// names returns the names of a finding for users: the name of the rule and its code.
func names(f *lint.Finding) string {
	if f.Alias == "" {
		return f.Code
	}
	return f.Code + ", " + f.Alias
}

// message returns the message of a finding with its hint.
func message(f *lint.Finding) string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + " (" + f.Hint + ")"
}

// position is the location of a finding: lines and columns from 1, in bytes. The end is
// exclusive.
type position struct{ line, column, endLine, endColumn int }

// place returns the location of a finding. A finding about no place is about the first line.
func place(f *lint.Finding) position {
	if f.Range.IsZero() {
		return position{1, 1, 1, 1}
	}
	start, end := f.Range.Position(), f.Range.File.Position(f.Range.End)
	return position{start.Line, start.Column, end.Line, end.Column}
}

// Counts contains the number of findings for each severity.
type Counts struct{ Errors, Warnings, Infos, Styles, Hidden int }

// Count counts the findings in files.
func Count(files []File) Counts {
	var c Counts
	for _, file := range files {
		c.Hidden += file.Hidden
		for _, f := range file.Findings {
			switch f.Severity {
			case diag.Error:
				c.Errors++
			case diag.Warning:
				c.Warnings++
			case diag.Style:
				c.Styles++
			default:
				c.Infos++
			}
		}
	}
	return c
}
