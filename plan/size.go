package plan

import (
	"slipway/diag"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

const (
	// maxSize limits the bytes of a plan that are derived from the file: values, names,
	// history, and the environments and directories of steps. A small file could
	// otherwise expand to any size. BuildKit accepts messages of 16 MiB.
	maxSize = 64 << 20
	// perEntry is the size of an entry of a list or map that a stage copies from its
	// base.
	perEntry = 64
	// perTrigger is the size of an ONBUILD trigger without its text.
	perTrigger = 4096
)

// charge counts bytes towards maxSize.
func (b *builder) charge(n int) { b.size += max(n, 0) }

// tooLarge returns an error with the range r if the plan has become too large.
func (b *builder) tooLarge(r source.Range) *diag.Diagnostic {
	if b.size <= maxSize {
		return nil
	}
	return diag.Errorf(r, "the build becomes larger than %d MiB here, which BuildKit does not take", maxSize>>20)
}

// word expands a word. It charges the bytes by which the word becomes longer and the bytes
// of all values that are read, even if a pattern removes most of them.
func (b *builder) word(x shell.Expander, w parser.Word, env shell.Env) (shell.Result, *diag.Diagnostic) {
	res, d := expandWord(x, w, b.counted(env))
	if d != nil {
		return res, d
	}
	b.charge(len(res.Value) - len(w.Value))
	return res, b.tooLarge(w.Text.Range())
}

// counted returns the environment, and charges each value that is read from it. A later
// call replaces the environment that it returned.
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

// inheritedSize returns the size of the config that a stage copies from its base stage.
func inheritedSize(base *Stage) int {
	c := &base.Image.Config
	return perEntry * (len(c.Env) + len(c.Labels) + len(c.Volumes) + len(c.ExposedPorts) + len(c.OnBuild) + len(base.Final.Args))
}
