package rules

import (
	"bytes"
	"math"
	"strings"

	"slipway/diag"
	"slipway/lint"
	"slipway/source"
)

// secretRules returns the rules about secrets in the text of the file.
func secretRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "SecretValueInFile", Severity: diag.Error, Hadolint: lint.Off,
			Summary: "A file should not contain secrets",
			Checks:  lint.Checks{File: secretValueInFile},
		},
	}
}

// secretForm describes a kind of secret by its prefix.
type secretForm struct {
	prefix, what, alphabet string
	length                 int // the minimum length after the prefix
}

const (
	upperDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	letters     = upperDigits + "abcdefghijklmnopqrstuvwxyz"
	token       = letters + "_-"
)

// secretForms returns the kinds of secrets.
func secretForms() []secretForm {
	return []secretForm{
		{"AKIA", "an AWS access key", upperDigits, 16},
		{"ASIA", "an AWS access key", upperDigits, 16},
		{"ghp_", "a GitHub token", letters, 36},
		{"gho_", "a GitHub token", letters, 36},
		{"ghu_", "a GitHub token", letters, 36},
		{"ghs_", "a GitHub token", letters, 36},
		{"ghr_", "a GitHub token", letters, 36},
		{"github_pat_", "a GitHub token", letters + "_", 60},
		{"glpat-", "a GitLab token", token, 20},
		{"xoxb-", "a Slack token", token, 20},
		{"xoxp-", "a Slack token", token, 20},
		{"xoxa-", "a Slack token", token, 20},
		{"npm_", "an npm token", letters, 36},
		{"sk_live_", "a Stripe key", letters, 24},
		{"AIza", "a Google API key", token, 35},
	}
}

func secretValueInFile(p *lint.Pass) {
	text := p.File.Source.Bytes
	report := func(start, end int, what string) {
		p.Report(source.Range{File: p.File.Source, Start: start, End: end}, "the text looks like %s (use a secret mount)", what).Secret = true
	}
	for _, form := range secretForms() {
		for at := 0; ; {
			i := bytes.Index(text[at:], []byte(form.prefix))
			if i < 0 {
				break
			}
			start := at + i
			end := start + len(form.prefix)
			for end < len(text) && strings.IndexByte(form.alphabet, text[end]) >= 0 {
				end++
			}
			at = end
			value := string(text[start+len(form.prefix) : end])
			if (start == 0 || strings.IndexByte(letters, text[start-1]) < 0) && len(value) >= form.length && entropy(value) > 3 {
				report(start, end, form.what)
			}
		}
	}
	const begin, end = "-----BEGIN ", "PRIVATE KEY-----"
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(begin))
		if i < 0 {
			return
		}
		start := at + i
		line := text[start:]
		if k := bytes.IndexByte(line, '\n'); k >= 0 {
			line = line[:k]
		}
		if k := bytes.Index(line, []byte(end)); k >= 0 && k < 40 {
			report(start, start+k+len(end), "a private key")
		}
		at = start + len(begin)
	}
}

// entropy returns the bits of information per character of s. Words and placeholders have
// little.
func entropy(s string) float64 {
	var count [256]int
	for i := range len(s) {
		count[s[i]]++
	}
	bits := 0.0
	for _, n := range count {
		if n > 0 {
			f := float64(n) / float64(len(s))
			bits -= f * math.Log2(f)
		}
	}
	return bits
}
