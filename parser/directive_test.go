package parser

import (
	"testing"

	"slipway/source"
)

// TestSyntax checks the values and line numbers that Syntax returns for # syntax=
// directives.
func TestSyntax(t *testing.T) {
	for _, tc := range []struct {
		content, ref, cmdline string
		line                  int
		ok                    bool
	}{
		{"# syntax=a/b:1\nFROM x\n", "a/b:1", "a/b:1", 1, true},
		{"# check=x\n#SYNTAX =  a b=c  \r\nFROM x\n", "a", "a b=c", 2, true},
		{bom + "#!/usr/bin/x\n# escape=`\n# syntax=a\n", "a", "a", 3, true},
		{"// syntax=a b\n", "a", "a b", 1, true},
		{"#!x\n//check=b\n//syntax=a\n", "a", "a", 3, true},
		{"{\n\"syntax\": \"a b\"}", "a b", "a b", 1, true},
		{"#!x\n{\"syntax\": \"a\"}", "a", "a", 2, true},
		{"", "", "", 0, false},
		{"FROM x\n# syntax=a\n", "", "", 0, false},
		{"# c\n# syntax=a\n", "", "", 0, false},
		{"\n# syntax=a\n", "", "", 0, false},
		{"# syntax=\nFROM x\n", "", "", 0, false},
		{"{\"syntax\": 1}", "", "", 0, false},
	} {
		ref, cmdline, line, ok := Syntax([]byte(tc.content))
		if ref != tc.ref || cmdline != tc.cmdline || line != tc.line || ok != tc.ok {
			t.Errorf("%q: %q, %q, line %d, %v", tc.content, ref, cmdline, line, ok)
		}
	}
}

// TestCheckDirective checks the values and line numbers that Check returns for # check=
// directives.
func TestCheckDirective(t *testing.T) {
	for _, tc := range []struct {
		content, value string
		line           int
		ok             bool
	}{
		{"# check=skip=all;error=true\nFROM x\n", "skip=all;error=true", 1, true},
		{"#!x\n#syntax=a\n# Check = skip=A, B\n", "skip=A,", 3, true},
		{"// check=a\n", "", 0, false},
		{"FROM x\n# check=a\n", "", 0, false},
		{"", "", 0, false},
	} {
		value, line, ok := Check([]byte(tc.content))
		if value != tc.value || line != tc.line || ok != tc.ok {
			t.Errorf("%q: %q, line %d, %v", tc.content, value, line, ok)
		}
	}
}

// TestDirective checks that File.Directive finds a directive regardless of the case of
// its name.
func TestDirective(t *testing.T) {
	f, diags := Parse(source.NewFile("f", []byte(bom+"#  Syntax\t= a  b \r\n# ESCAPE=`\n# check\nFROM x\n")))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	d := f.Directive("syntax")
	if d == nil || d.Name.String() != "Syntax" || d.Value.String() != "a  b" || formatRange(d.Value.Range()) != "1:16-1:20" {
		t.Errorf("syntax: %+v", d)
	}
	if d := f.Directive("escape"); d == nil || d.Value.String() != "`" || f.Escape != '`' {
		t.Errorf("escape: %+v", d)
	}
	if d := f.Directive("check"); d != nil {
		t.Errorf("check: %+v", d)
	}
}
