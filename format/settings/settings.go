// Package settings reads the options of package format from configuration files.
//
// A [Reader] takes the options of a Dockerfile from the section fmt of .slipway.yaml and from
// .editorconfig. Values in .slipway.yaml override values in .editorconfig.
package settings

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"mvdan.cc/editorconfig"

	"slipway/format"
)

// maxIndent is the maximum number of blanks of an indentation.
const maxIndent = 16

// Reader reads the options of Dockerfiles. It reads each configuration file only once. Not safe
// for concurrent use.
type Reader struct {
	// File is the configuration file for all Dockerfiles. If it is "", the Reader searches
	// .slipway.yaml and slipway.yaml in the directory of each Dockerfile and above, up to the
	// root of the repository. Settings of a file override those of a file that it extends.
	File string
	// None ignores all configuration files except for .editorconfig.
	None bool

	editorconfigs map[string]*editorconfig.File // by directory; nil if the file does not exist
	patterns      map[string]*regexp.Regexp     // the names of sections, compiled
	configs       map[string]*config            // by path
}

// Options returns the options for the Dockerfile with the given path, which need not exist. Values
// that no file sets come from opt. The result used is the path of the configuration file that was
// read, or "".
func (r *Reader) Options(path string, opt format.Options) (_ format.Options, used string, err error) {
	properties, err := r.editorconfig(path)
	if err != nil {
		return opt, "", err
	}
	scripts, err := r.editorconfig(filepath.Join(filepath.Dir(path), "script.sh"))
	if err != nil {
		return opt, "", err
	}
	applyScripts(&opt, scripts)
	applyEditorconfig(&opt, properties)
	applyScripts(&opt, properties)
	c, err := r.config(path)
	if err != nil || c == nil {
		return opt, "", err
	}
	err = c.apply(&opt)
	return opt, c.path, err
}

// Excluded returns the patterns of the files that the configuration for the Dockerfile with the given
// path excludes, and the path of the configuration file. Patterns are relative to its directory.
func (r *Reader) Excluded(path string) (patterns []string, used string, err error) {
	c, err := r.config(path)
	if err != nil || c == nil {
		return nil, "", err
	}
	return c.exclude, c.path, nil
}

// ParseIndent returns the indentation for a number of blanks, or for "tab".
func ParseIndent(value string) (string, error) {
	if value == "tab" {
		return "\t", nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxIndent {
		return "", fmt.Errorf("invalid indentation %q (want a number from 1 to %d, or tab)", value, maxIndent)
	}
	return strings.Repeat(" ", n), nil
}

// ParseKeywordCase parses the values upper, lower and keep.
func ParseKeywordCase(value string) (format.KeywordCase, error) {
	switch value {
	case "upper":
		return format.UpperCase, nil
	case "lower":
		return format.LowerCase, nil
	case "keep":
		return format.AnyCase, nil
	}
	return 0, fmt.Errorf("invalid keyword case %q (want upper, lower or keep)", value)
}

// ParseMaxBlankLines parses the maximum number of consecutive empty lines.
func ParseMaxBlankLines(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("invalid number of empty lines %q (want 0 or more)", value)
	}
	return n, nil
}

// applyEditorconfig applies the properties of .editorconfig files. Like editors, it ignores
// invalid values.
func applyEditorconfig(opt *format.Options, properties map[string]string) {
	size := properties["indent_size"]
	if size == "tab" {
		size = properties["tab_width"]
	}
	if indent, err := ParseIndent(size); err == nil && size != "tab" {
		opt.Indent = indent
	}
	if properties["indent_style"] == "tab" {
		opt.Indent = "\t"
	}
	switch properties["end_of_line"] {
	case "lf":
		opt.LineEnd = "\n"
	case "crlf":
		opt.LineEnd = "\r\n"
	}
	opt.NoFinalLineEnd = properties["insert_final_newline"] == "false"
	switch properties["charset"] {
	case "utf-8":
		opt.Mark = format.RemoveMark
	case "utf-8-bom":
		opt.Mark = format.AddMark
	}
	if c, err := ParseKeywordCase(properties["slipway_keyword_case"]); err == nil {
		opt.Keywords = c
	}
	opt.Shell = properties["slipway_shell"] == "true"
}

// applyScripts applies the properties of .editorconfig files that shfmt defines for scripts.
func applyScripts(opt *format.Options, properties map[string]string) {
	for key, set := range map[string]func(bool){
		"binary_next_line":   func(v bool) { opt.Script.BinaryNextLine = &v },
		"space_redirects":    func(v bool) { opt.Script.SpaceRedirects = &v },
		"switch_case_indent": func(v bool) { opt.Script.SwitchCaseIndent = v },
		"function_next_line": func(v bool) { opt.Script.FunctionNextLine = v },
	} {
		if v, err := strconv.ParseBool(properties[key]); err == nil {
			set(v)
		}
	}
}
