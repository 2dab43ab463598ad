package plan

import (
	"slipway/diag"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

const (
	// maxSize is the maximum number of bytes in a plan that are derived from the file:
	// values, names, history, and the environments and directories of steps. Without a
	// limit, a small file could expand to any size. BuildKit accepts messages of at most
	// 16 MiB.
	maxSize = 64 << 20
	// perEntry is the number of bytes that count towards maxSize for each list or map
	// entry that a stage copies from its base.
	perEntry = 64
	// perTrigger is the number of bytes that count towards maxSize for each ONBUILD
	// trigger, in addition to the length of its text.
	perTrigger = 4096
)

// charge adds n bytes to the size of the plan, which maxSize limits. If n is negative, charge
// does nothing.
func (b *builder) charge(n int) { b.size += max(n, 0) }

// tooLarge returns an error with the given range if the plan exceeds maxSize, else nil.
func (b *builder) tooLarge(r source.Range) *diag.Diagnostic {
	if b.size <= maxSize {
		return nil
	}
	return diag.Errorf(r, "the build plan exceeds %d MiB, which BuildKit does not accept", maxSize>>20)
}

// word expands a word. It adds the growth of the word, and the length of every value that
// the expansion reads, to the size of the plan, even if a pattern such as ${x%%*} removes
// most of the value.
func (b *builder) word(x shell.Expander, w parser.Word, env shell.Env) (shell.Expansion, *diag.Diagnostic) {
	x = b.expanderFor(x, w)
	res, d := expandWord(x, w, b.countReads(env))
	if d != nil {
		return res, d
	}
	b.charge(len(res.Value) - len(w.Value))
	return res, b.tooLarge(w.Text.Range())
}

// countReads returns an environment that contains the variables of env. Each lookup of a
// variable in the returned environment adds the length of the value to the size of the plan.
// The environment is valid until the next call of countReads.
func (b *builder) countReads(env shell.Env) shell.Env {
	b.readCounter = readCounter{env: env, size: &b.size}
	return &b.readCounter
}

// readCounter is an environment that counts the bytes that callers read. Lookup increases *size
// by the length of each value that it returns.
type readCounter struct {
	env  shell.Env
	size *int
}

// Lookup implements shell.Env.
func (c *readCounter) Lookup(name string) (string, bool) {
	v, set := c.env.Lookup(name)
	*c.size += len(v)
	return v, set
}

// inheritedSize returns the size to add to the plan for the config that a stage copies
// from its base stage.
func inheritedSize(base *Stage) int {
	c := &base.Image.Config
	return perEntry * (len(c.Env) + len(c.Labels) + len(c.Volumes) + len(c.ExposedPorts) + len(c.OnBuild) + len(base.Final.Args))
}
