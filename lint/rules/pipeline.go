package rules

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/script"
)

// pipelineRules returns the rules about how scripts handle errors.
func pipelineRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "PipefailMissing", Code: "DL4006", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "The shell should notice errors in a pipeline",
			Checks:  lint.Checks{Script: pipefailMissing},
		},
	}
}

func pipefailMissing(p *lint.Pass, s *script.Script) {
	if s.Tree == nil || s.Options.Pipefail || s.Outer != nil && s.Outer.Options.Pipefail && s.Options == (script.Options{}) && s.Heredoc {
		return
	}
	w := pipeWalker{script: s}
	w.stmts(s.Tree.Stmts, false)
	if w.found == nil {
		return
	}
	at := s.Range(int(w.found.OpPos.Offset()), int(w.found.OpPos.Offset())+1)
	f := p.Report(at, "an error of the command before | is ignored, because pipefail is not set")
	in := p.File.InstructionOf(s)
	if in == nil || s.Outer != nil || s.Onbuild || s.Run == nil || !s.Run.Shell || in.Visit == nil || len(in.Visit.Before.Shell) > 0 || !p.Once(in.Stage) {
		return
	}
	switch baseName(in.Stage) {
	case "debian", "ubuntu", "fedora", "centos", "rockylinux", "almalinux", "python", "node", "golang", "buildpack-deps":
		if !strings.Contains(in.Stage.Plan.BaseName, "alpine") {
			f.Fix("set pipefail with SHELL", false, lint.InsertBefore(s.Instruction.Rng, `SHELL ["/bin/bash", "-o", "pipefail", "-c"]`+"\n"))
		}
	case "alpine":
		f.Fix("set pipefail with SHELL", false, lint.InsertBefore(s.Instruction.Rng, `SHELL ["/bin/ash", "-o", "pipefail", "-c"]`+"\n"))
	}
}

// pipeWalker finds the first pipeline of a script whose errors are lost.
type pipeWalker struct {
	script *script.Script
	on     bool // whether set -o pipefail has been called
	found  *syntax.BinaryCmd
}

// stmts walks statements. The parameter tolerant reports whether a failure has no consequence
// anyway.
func (w *pipeWalker) stmts(list []*syntax.Stmt, tolerant bool) {
	for _, st := range list {
		w.stmt(st, tolerant)
	}
}

func (w *pipeWalker) stmt(st *syntax.Stmt, tolerant bool) {
	if st == nil || w.found != nil || w.on {
		return
	}
	switch c := st.Cmd.(type) {
	case *syntax.BinaryCmd:
		w.binary(c, tolerant)
	case *syntax.CallExpr:
		if len(c.Args) > 1 && c.Args[0].Lit() == "set" {
			for _, a := range c.Args[1:] {
				w.on = w.on || a.Lit() == "pipefail"
			}
		}
		w.inside(c, tolerant)
	default:
		w.inside(st.Cmd, tolerant)
	}
}

// binary walks a pipeline or a list.
func (w *pipeWalker) binary(c *syntax.BinaryCmd, tolerant bool) {
	switch c.Op {
	case syntax.OrStmt:
		w.stmt(c.X, tolerant || isTrue(c.Y))
		w.stmt(c.Y, tolerant)
	case syntax.AndStmt:
		w.stmt(c.X, tolerant)
		w.stmt(c.Y, tolerant)
	default:
		if !tolerant && !harmless(c.X) {
			w.found = c
			return
		}
		w.stmt(c.X, true)
		w.stmt(c.Y, tolerant)
	}
}

// inside walks the statements in a node.
func (w *pipeWalker) inside(n syntax.Node, tolerant bool) {
	if n == nil {
		return
	}
	syntax.Walk(n, func(child syntax.Node) bool {
		if st, ok := child.(*syntax.Stmt); ok {
			w.stmt(st, tolerant)
			return false
		}
		return w.found == nil && !w.on
	})
}

// isTrue reports whether a statement is true or :.
func isTrue(st *syntax.Stmt) bool {
	c, ok := st.Cmd.(*syntax.CallExpr)
	return ok && len(c.Args) == 1 && is(c.Args[0].Lit(), "true", ":")
}

// harmless reports whether the left side of a pipe consists of commands that do not fail.
func harmless(st *syntax.Stmt) bool {
	switch c := st.Cmd.(type) {
	case *syntax.CallExpr:
		return len(c.Args) > 0 && is(c.Args[0].Lit(), "echo", "printf", "yes", "true", ":")
	case *syntax.BinaryCmd:
		return c.Op == syntax.Pipe && harmless(c.X) && harmless(c.Y)
	}
	return false
}
