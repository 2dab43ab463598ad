package rules

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
	"slipway/source"
)

// scriptRules returns the rules about scripts as a whole.
func scriptRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "ShellSyntax", Severity: diag.Error, Hadolint: lint.Off,
			Summary: "Scripts should have a valid syntax",
			Checks:  lint.Checks{Script: shellSyntax},
		},
		{
			Name: "HeredocWithoutErrexit", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "A heredoc with several commands should stop at the first error",
			Checks:  lint.Checks{Script: heredocWithoutErrexit},
		},
		{
			Name: "CurlWithoutFail", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "curl should fail if the server returns an error",
			Checks:  lint.Checks{Command: curlWithoutFail},
		},
		{
			Name: "CommentEndsCommand", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "A comment should not hide the lines that follow",
			Checks:  lint.Checks{Script: commentEndsCommand},
		},
		{
			Name: "TargetArchHardcoded", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "A file for one platform should not be used on all",
			Checks:  lint.Checks{Stage: targetArchHardcoded},
		},
	}
}

func shellSyntax(p *lint.Pass, s *script.Script) {
	if s.Err == nil || s.Outer != nil || strings.HasPrefix(s.Err.Message, "unclosed here-document") {
		return // shells take the end of the script as the end of the document
	}
	if len(s.Text) > 0 && strings.HasPrefix(strings.TrimSpace(s.Text), "[") && s.Instruction.NearJSON() != nil {
		return // AlmostJSON reports it
	}
	p.Report(s.Err.Range, "the script cannot run: %s", s.Err.Message)
}

func heredocWithoutErrexit(p *lint.Pass, s *script.Script) {
	if !s.Heredoc || s.Options.Errexit || s.Tree == nil || len(s.Tree.Stmts) < 2 || s.Run == nil || s.Outer != nil {
		return
	}
	errexit := false
	syntax.Walk(s.Tree, func(n syntax.Node) bool {
		c, ok := n.(*syntax.CallExpr)
		if !ok || len(c.Args) < 2 || c.Args[0].Lit() != "set" {
			return true
		}
		for _, a := range c.Args[1:] {
			lit := a.Lit()
			errexit = errexit || lit == "errexit" || strings.HasPrefix(lit, "-") && !strings.HasPrefix(lit, "--") && strings.Contains(lit, "e")
		}
		return true
	})
	if errexit {
		return
	}
	h := s.Run.Heredocs[0]
	f := p.Report(h.Word.Range(), "the script continues after an error (start it with set -e)")
	at := source.Range{File: h.Body.File, Start: h.Body.Start, End: h.Body.Start}
	if strings.HasPrefix(s.Text, "#!") {
		line := strings.IndexByte(h.Body.String(), '\n') + 1
		at.Start, at.End = at.Start+line, at.End+line
	}
	f.Fix("add set -e", false, lint.Replace(at, "set -e\n"))
}

// curlUsage describes the options of curl.
func curlUsage() script.Usage {
	return script.Usage{
		Short:    "odHuXAbceFKmTwxErtCDQUyYzP",
		Long:     "output data data-raw data-binary data-urlencode header user request user-agent cookie cookie-jar form config max-time connect-timeout retry retry-delay retry-max-time write-out proxy cacert cert key url upload-file output-dir range resolve limit-rate proto proto-redir ciphers tls-max oauth2-bearer referer interface max-filesize max-redirs noproxy netrc-file time-cond",
		Switches: "fail fail-with-body fail-early location silent show-error insecure compressed remote-name remote-name-all remote-header-name head verbose create-dirs globoff progress-bar tlsv1.2 tlsv1.3 http1.1 http2 ipv4 ipv6 get parallel retry-all-errors retry-connrefused netrc ssl-reqd create-file-mode version help",
	}
}

func curlWithoutFail(p *lint.Pass, c *script.Command) {
	if c.Name != "curl" {
		return
	}
	a := c.Arguments(curlUsage())
	if a.Has("-f", "--fail", "--fail-with-body", "-I", "--head", "-w", "--write-out", "-V", "--version", "-h", "--help", "-K", "--config") {
		return
	}
	url := a.Has("--url")
	for _, w := range c.Args {
		if w.MayHoldOptions() && !w.Quoted {
			return
		}
		url = url || strings.Contains(w.Value, "://") && hasAnyPrefix(w.Value, "http", "ftp")
	}
	for _, w := range c.Args {
		if w.Static && strings.HasPrefix(w.Value, "-") && !strings.HasPrefix(w.Value, "--") && strings.Contains(w.Value, "f") && strings.Trim(w.Value[1:], "fsSLkOJgvilR#") == "" {
			return // after an opaque word, Arguments stops
		}
		if is(w.Value, "--fail", "--fail-with-body") {
			return
		}
	}
	if !url {
		return
	}
	p.Report(c.Range(), "if the server returns an error, curl succeeds with the error page (use -f)").
		Fix("add -f", true, insertWord(c, c.Word, "-f"))
}

func commentEndsCommand(p *lint.Pass, s *script.Script) {
	if s.Heredoc || s.Tree == nil || s.Outer != nil || s.Run == nil || len(s.Run.Heredocs) > 0 || !s.Run.Shell {
		return
	}
	report := func(c syntax.Comment) {
		r := s.NodeRange(&c)
		if i := strings.IndexByte(r.String(), '\n'); i >= 0 {
			at := source.Range{File: r.File, Start: r.Start, End: r.Start + 1}
			p.Report(at, "the comment hides the lines that follow, because the lines of the RUN are joined")
		}
	}
	syntax.Walk(s.Tree, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.Comment); ok {
			report(*c)
		}
		return true
	})
}

func targetArchHardcoded(p *lint.Pass, st *lint.Stage) {
	declared := p.Options.Several
	for _, in := range st.Instructions {
		if c, ok := in.Command.(*instructions.Arg); ok {
			for _, a := range c.Args {
				declared = declared || is(a.Key, "TARGETARCH", "TARGETPLATFORM")
			}
		}
		if !declared {
			continue
		}
		if strings.Contains(in.Syntax.Rng.String(), "TARGETARCH") || strings.Contains(in.Syntax.Rng.String(), "TARGETPLATFORM") {
			continue
		}
		for _, c := range in.Commands() {
			if !is(c.Name, "curl", "wget") {
				continue
			}
			for _, w := range c.Args {
				if arch := archOf(w.Value); w.Static && arch != "" && strings.Contains(w.Value, "://") {
					p.Report(w.Range, "the file is for %s, but the stage is built for other platforms, too (use TARGETARCH)", arch)
				}
			}
		}
	}
}

// archOf returns the name of a processor architecture in a URL, or "".
func archOf(url string) string {
	for _, arch := range []string{"linux-amd64", "linux_amd64", "linux-arm64", "linux_arm64", "linux-x86_64", "linux_x86_64", "linux-x64", "x86_64-unknown-linux", "aarch64-unknown-linux", "_amd64.deb", "_arm64.deb", "linux-aarch64"} {
		if strings.Contains(url, arch) {
			return strings.Trim(arch, "_")
		}
	}
	return ""
}
