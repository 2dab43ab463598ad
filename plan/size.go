package plan

import (
	"slipway/diag"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

const (
	// maxSize is how many bytes a plan can have that are not written in the
	// file but made from it, again and again: values, names, history, and the
	// environments and directories of steps. BuildKit takes 16 MiB in one
	// message.
	maxSize = 64 << 20
	// perEntry is what an entry of a list or map counts that a stage copies
	// from its base.
	perEntry = 64
	// perTrigger is what an ONBUILD trigger counts, apart from its text.
	perTrigger = 4096
)

// charge counts bytes towards maxSize.
func (b *builder) charge(n int) { b.size += max(n, 0) }

// tooLarge returns the error for a plan that has become too large at the range.
func (b *builder) tooLarge(r source.Range) *diag.Diagnostic {
	if b.size <= maxSize {
		return nil
	}
	return diag.Errorf(r, "the build becomes larger than %d MiB here, which BuildKit does not take", maxSize>>20)
}

// word expands a word. What it becomes longer counts, and what it reads of
// values, even if little of that is left.
func (b *builder) word(x shell.Expander, w parser.Word, env shell.Env) (shell.Result, *diag.Diagnostic) {
	res, d := expandWord(x, w, b.counted(env))
	if d != nil {
		return res, d
	}
	b.charge(len(res.Value) - len(w.Value))
	return res, b.tooLarge(w.Text.Range())
}

// counted returns the environment with its values counting when they are read.
// There is one at a time.
func (b *builder) counted(env shell.Env) shell.Env {
	b.reader = countedEnv{env: env, size: &b.size}
	return &b.reader
}

type countedEnv struct {
	env  shell.Env
	size *int
}

// Lookup implements shell.Env.
func (c *countedEnv) Lookup(name string) (string, bool) {
	v, set := c.env.Lookup(name)
	*c.size += len(v)
	return v, set
}

// inheritedSize is what a stage copies of the stage that it starts from.
func inheritedSize(base *Stage) int {
	c := &base.Image.Config
	return perEntry * (len(c.Env) + len(c.Labels) + len(c.Volumes) + len(c.ExposedPorts) + len(c.OnBuild) + len(base.Final.Args))
}
