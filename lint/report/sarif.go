package report

import (
	"io"
	"net/url"
	"unicode/utf8"

	"slipway/diag"
	"slipway/lint"
	"slipway/source"
)

// Types of SARIF 2.1.0, as far as reports use them.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name            string      `json:"name"`
		Version         string      `json:"version,omitempty"`
		InformationURI  string      `json:"informationUri,omitempty"`
		Rules           []sarifRule `json:"rules"`
		SemanticVersion string      `json:"semanticVersion,omitempty"`
	}
	sarifRule struct {
		ID               string            `json:"id"`
		Name             string            `json:"name"`
		ShortDescription sarifText         `json:"shortDescription"`
		HelpURI          string            `json:"helpUri,omitempty"`
		Default          sarifConfig       `json:"defaultConfiguration"`
		Properties       *sarifRuleAliases `json:"properties,omitempty"`
	}
	sarifRuleAliases struct {
		Tags    []string `json:"tags,omitempty"`
		Aliases []string `json:"aliases,omitempty"`
	}
	sarifConfig struct {
		Level   string `json:"level"`
		Enabled bool   `json:"enabled"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    *int               `json:"ruleIndex,omitempty"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Related      []sarifLocation    `json:"relatedLocations,omitempty"`
		Prints       map[string]string  `json:"partialFingerprints,omitempty"`
		Fixes        []sarifFix         `json:"fixes,omitempty"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification,omitempty"`
	}
	sarifLocation struct {
		ID       *int          `json:"id,omitempty"`
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifText    `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
		ByteOffset  int `json:"byteOffset"`
		ByteLength  int `json:"byteLength"`
	}
	sarifFix struct {
		Description sarifText     `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion `json:"deletedRegion"`
		Inserted *sarifText  `json:"insertedContent,omitempty"`
	}
)

// sarifSchema is the address of the schema of SARIF 2.1.0.
const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// writeSARIF writes a log of SARIF 2.1.0.
func writeSARIF(w io.Writer, files []File, opt Options) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "slipway lint", Version: opt.Version, Rules: []sarifRule{}}
	index := map[string]int{}
	for i, r := range opt.Rules {
		index[r.Name] = i
		rule := sarifRule{
			ID: r.Name, Name: r.Name, ShortDescription: sarifText{r.Summary}, HelpURI: "",
			Default: sarifConfig{Level: sarifLevel(max(r.Severity, 0)), Enabled: r.Severity != lint.Off},
		}
		if r.Code != "" {
			rule.Properties = &sarifRuleAliases{Aliases: []string{r.Code}}
		}
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	for _, file := range files {
		for i, f := range file.Findings {
			res := newSARIF(file.Name, f, index)
			res.Prints = map[string]string{"slipwayFingerprint/v1": file.Prints[i]}
			run.Results = append(run.Results, res)
		}
		if !opt.ShowSuppressed {
			continue
		}
		for _, f := range file.Result.Suppressed {
			res := newSARIF(file.Name, f, index)
			res.Suppressions = []sarifSuppression{{Kind: "inSource", Justification: f.Ignored}}
			run.Results = append(run.Results, res)
		}
	}
	return encode(w, sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

// sarifLevel returns the level of SARIF for a severity.
func sarifLevel(s diag.Severity) string {
	switch s {
	case diag.Error, diag.Warning:
		return s.String()
	}
	return "note"
}

// newSARIF converts a finding.
func newSARIF(name string, f *lint.Finding, index map[string]int) sarifResult {
	res := sarifResult{
		RuleID: f.Code, Level: sarifLevel(f.Severity), Message: sarifText{message(f)},
		Locations: []sarifLocation{newLocation(name, f.Range)},
	}
	if i, ok := index[f.Code]; ok {
		res.RuleIndex = &i
	}
	for i, r := range f.Related {
		if r.Range.IsZero() {
			continue
		}
		l := newLocation(name, r.Range)
		l.ID, l.Message = &i, &sarifText{r.Message}
		res.Related = append(res.Related, l)
	}
	for _, x := range f.Fixes {
		change := sarifChange{Artifact: sarifArtifact{sarifURI(name)}}
		for _, e := range x.Edits {
			r := sarifReplacement{Deleted: region(e.Range, false)}
			if e.New != "" {
				r.Inserted = &sarifText{e.New}
			}
			change.Replacements = append(change.Replacements, r)
		}
		res.Fixes = append(res.Fixes, sarifFix{Description: sarifText{x.Title}, Changes: []sarifChange{change}})
	}
	return res
}

// newLocation converts a range.
func newLocation(name string, r source.Range) sarifLocation {
	return sarifLocation{Physical: sarifPhysical{Artifact: sarifArtifact{sarifURI(name)}, Region: region(r, true)}}
}

// sarifURI returns a path as the relative reference of a URI.
func sarifURI(name string) string { return (&url.URL{Path: name}).EscapedPath() }

// region converts a range. If the parameter visible is true, the region of an empty range is one
// character, because some readers do not show empty regions.
func region(r source.Range, visible bool) sarifRegion {
	if r.IsZero() {
		return sarifRegion{StartLine: 1, StartColumn: 1, EndLine: 1, EndColumn: 2}
	}
	start, end := r.Position(), r.File.Position(r.End)
	out := sarifRegion{
		StartLine: start.Line, StartColumn: codePoints(r.File, r.Start), EndLine: end.Line, EndColumn: codePoints(r.File, r.End),
		ByteOffset: r.Start, ByteLength: r.End - r.Start,
	}
	if visible && r.Start == r.End {
		out.EndColumn++
	}
	return out
}

// codePoints returns the column of an offset in code points, from 1.
func codePoints(f *source.File, offset int) int {
	start := f.LineStart(f.Position(offset).Line)
	return utf8.RuneCount(f.Bytes[start:min(offset, len(f.Bytes))]) + 1
}
