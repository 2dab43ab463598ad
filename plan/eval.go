package plan

import (
	"context"
	"slices"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// evaluateStages evaluates the instructions of all reachable stages in file order.
//
// Upstream: with Options.AllStages, even the instructions of stages that named contexts
// replace are evaluated.
func evaluateStages(ctx context.Context, b *builder) error {
	for _, st := range b.Stages {
		if !st.Reachable || b.draft(st).done && !b.opt.AllStages {
			continue
		}
		b.current = st.Scope
		e := &evaluator{b: b, st: st, expand: b.current.expand, ctx: ctx, args: map[string]bool{}}
		if err := e.stage(); err != nil {
			return err
		}
		b.Context.AddAll(st.Context)
	}
	b.current = b.Scope
	return nil
}

// evaluator evaluates the instructions of one stage: it expands variables, updates the
// image config and plans the steps.
type evaluator struct {
	b        *builder
	st       *Stage
	state    State
	visit    *Visit
	expand   shell.Expander
	ctx      context.Context
	args     map[string]bool // the names in state.Args
	assigned map[string]bool // the names that ENVs of the stage and its base stages set; nil for a plain Dockerfile
	envIndex map[string]int  // name → index of its first entry in the config; nil until needed
	hasCmd   bool            // whether the stage has a CMD so far
}

// stage evaluates all instructions of the stage. If an instruction fails, its Visit
// remains in the plan.
func (e *evaluator) stage() error {
	e.inherit()
	if err := e.begin(); err != nil {
		return withRange(e.st.Location, err)
	}
	for _, c := range e.b.draft(e.st).commands {
		v := &Visit{
			Command: c.Command,
			Onbuild: c.onbuild,
			Range:   c.Command.Syntax().Rng,
			Before:  e.state,
			Sources: c.sources,
		}
		if c.onbuild {
			v.Range = e.st.Location
		}
		e.visit = v
		run, d := e.prepare(c)
		if !run {
			if d != nil {
				e.st.Visits = append(e.st.Visits, v)
				return d.In(v.Range)
			}
			e.b.omit(e.st, c.Command)
			continue
		}
		v.Before, e.visit = e.state, v // LETs may have been declared
		e.st.Visits = append(e.st.Visits, v)
		d = e.command(c.Command)
		if d == nil {
			d = e.b.tooLarge(source.Range{})
		}
		if d != nil {
			if c.onbuild {
				return inDockerfile(d, v.Range)
			}
			if d.Range.IsZero() {
				d.Range = v.Range
			}
			return d.In(v.Range)
		}
	}
	e.st.Final = e.state
	e.st.Scan = Scan{Stage: e.scanEnabled(scanStage), Context: e.scanEnabled(scanContext)}
	e.b.draft(e.st).done = true
	e.b.draft(e.st).assigned = e.assigned
	return nil
}

// inherit copies the state and the image config of the base stage to the evaluated
// stage. It does nothing if the base is not a stage of the file.
func (e *evaluator) inherit() {
	e.state = State{Dir: "/", Platform: e.st.Final.Platform}
	f, ok := e.st.Base.(*FromStage)
	if !ok {
		return
	}
	base := f.Stage
	e.state = base.Final
	e.state.Env = base.Final.Env.Fork()
	for _, a := range e.state.Args {
		e.args[a.Key] = true
	}
	e.b.charge(inheritedSize(base))
	e.st.Platform = base.Platform
	if base.Platform != nil && base.Platform.OS == "" {
		e.st.Platform = &e.b.Platform
	}
	e.st.Image = cloneImage(&base.Image)
	e.st.Image.Config.OnBuild = nil
	if d := e.b.draft(base); !d.historyShared {
		// The first stage that starts from here may append to the array of the base's
		// history, which the base does not read: chains of stages stay linear.
		d.historyShared = true
		e.st.Image.History = base.Image.History
	} else {
		e.state.Args = slices.Clip(e.state.Args)
		e.b.charge(perEntry * len(base.Image.History))
	}
	e.st.BaseImage = base.BaseImage
	e.st.Used = base.Used
}

// begin initializes the state (environment, directory, user, shell) from the config of
// the base.
func (e *evaluator) begin() error {
	if e.st.Platform == nil {
		// Upstream: a stage based on a named context without a config has an unknown
		// platform. Stages based on this stage have the target's platform.
		e.st.Platform = &ocispecs.Platform{}
	}
	c := &e.st.Image.Config
	if _, ok := NewEnv(c.Env).Lookup("PATH"); !ok && e.st.Platform.OS != "windows" {
		c.Env = append(c.Env, "PATH="+unixPath)
	}
	for _, kv := range c.Env {
		k, v := splitEnv(kv)
		e.state.Env = e.state.Env.Set(k, v)
	}
	if e.b.opt.Hostname != "" {
		e.state.Hostname = e.b.opt.Hostname
	}
	if c.WorkingDir != "" {
		if err := e.changeDir(c.WorkingDir); err != nil {
			return err
		}
	}
	if c.User != "" {
		e.state.User = c.User
	}
	e.state.Shell = c.Shell
	return nil
}

// command evaluates one instruction. It expands words in upstream's order, so that an
// instruction with several errors reports the same one as upstream.
func (e *evaluator) command(c instructions.Command) *diag.Diagnostic {
	switch c := c.(type) {
	case *instructions.Arg:
		return e.arg(c)
	case *instructions.Env:
		return e.env(c)
	case *instructions.Label:
		return e.label(c)
	case *instructions.Maintainer:
		return e.maintainer(c)
	case *instructions.Run:
		return e.run(c)
	case *instructions.Copy:
		return e.copy(c)
	case *instructions.Workdir:
		return e.workdir(c)
	case *instructions.User:
		return e.user(c)
	case *instructions.Volume:
		return e.volume(c)
	case *instructions.Expose:
		return e.expose(c)
	case *instructions.StopSignal:
		return e.stopSignal(c)
	case *instructions.Shell:
		return e.shell(c)
	case *instructions.Cmd:
		return e.cmd(c)
	case *instructions.Entrypoint:
		return e.entrypoint(c)
	case *instructions.Healthcheck:
		return e.healthcheck(c)
	case *instructions.Onbuild:
		e.st.Image.Config.OnBuild = append(e.st.Image.Config.OnBuild, c.Expression)
	case *instructions.Unset:
		return e.unset(c)
	case *instructions.From, *instructions.Include:
		panic("plan: FROM or INCLUDE inside a stage")
	}
	return nil
}

// word expands the word w with the variables that are set before the current instruction. If w
// uses unset variables, it records them as a [Fact] for the linter.
func (e *evaluator) word(w parser.Word) (string, *diag.Diagnostic) {
	res, d := e.b.word(e.expand, w, e.state.Env)
	e.recordUnset(w, res.Unmatched)
	e.b.lowerMapped(e.visit.Command, w, res)
	return res.Value, d
}

// words expands each word in a list. It stops at the first error.
func (e *evaluator) words(list []parser.Word) ([]string, *diag.Diagnostic) {
	out := make([]string, 0, len(list))
	for _, w := range list {
		v, d := e.word(w)
		if d != nil {
			return nil, d
		}
		out = append(out, v)
	}
	return out, nil
}

// body expands the variables in the text of a heredoc. Quotes have no meaning in a
// heredoc, and the escape character is always \.
func (e *evaluator) body(data string, r source.Range) (string, *diag.Diagnostic) {
	x := shell.Expander{Escape: '\\', Mode: shell.NoQuotes}
	w := parser.Word{Value: data, Text: r.Text()}
	res, d := e.b.word(x, w, e.state.Env)
	e.recordUnset(w, res.Unmatched)
	return res.Value, d
}
