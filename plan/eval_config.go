package plan

import (
	"fmt"
	"slices"
	"strings"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/sys/signal"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
)

// pairs expands the keys and values of ENV or LABEL with the environment before the
// instruction. It also returns the text of the history entry. This text starts with the given
// keyword.
func (e *evaluator) pairs(keyword string, list []parser.Pair) (kvs [][2]string, line string, d *diag.Diagnostic) {
	var b strings.Builder
	b.WriteString(keyword)
	for _, p := range list {
		k, d := e.word(p.Key)
		if d != nil {
			return nil, "", d
		}
		v, d := e.word(p.Value)
		if d != nil {
			return nil, "", d
		}
		kvs = append(kvs, [2]string{k, v})
		b.WriteString(" " + k + "=" + v)
	}
	for i := range list {
		e.recordFact(&Assigned{Key: kvs[i][0], Word: list[i].Key})
	}
	return kvs, b.String(), nil
}

// env sets the variables of ENV in the state and in the image config.
func (e *evaluator) env(c *instructions.Env) *diag.Diagnostic {
	kvs, line, d := e.pairs("ENV", c.Pairs)
	if d == nil && c.Ext.Flag("file") != nil {
		kvs, line, d = e.pairsFile("ENV", c)
	}
	if d != nil {
		return d
	}
	for _, kv := range kvs {
		e.assign(kv[0])
		e.state.Env = e.state.Env.Set(kv[0], kv[1])
		e.setConfigEnv(kv[0], kv[1])
	}
	e.commit(line, false)
	return nil
}

// setConfigEnv sets a variable in the Env of the image config. It replaces the first entry for
// the variable or, if there is no such entry, appends one.
func (e *evaluator) setConfigEnv(key, value string) {
	cfg := &e.st.Image.Config
	if e.envIndex == nil {
		e.envIndex = make(map[string]int, len(cfg.Env))
		for i := range slices.Backward(cfg.Env) {
			k, _ := splitEnv(cfg.Env[i])
			e.envIndex[k] = i
		}
	}
	i, ok := e.envIndex[key]
	if !ok {
		e.envIndex[key] = len(cfg.Env)
		cfg.Env = append(cfg.Env, key+"="+value)
		return
	}
	cfg.Env[i] = key + "=" + value
}

// splitEnv splits a KEY=VALUE entry. The value is empty if the entry has no =.
func splitEnv(kv string) (key, value string) {
	key, value, _ = strings.Cut(kv, "=")
	return key, value
}

func (e *evaluator) label(c *instructions.Label) *diag.Diagnostic {
	kvs, line, d := e.pairs("LABEL", c.Pairs)
	if d == nil && c.Ext.Flag("file") != nil {
		kvs, line, d = e.pairsFile("LABEL", c)
	}
	if d != nil {
		return d
	}
	cfg := &e.st.Image.Config
	if cfg.Labels == nil {
		cfg.Labels = map[string]string{}
	}
	for _, kv := range kvs {
		cfg.Labels[kv[0]] = kv[1]
	}
	e.commit(line, false)
	return nil
}

func (e *evaluator) maintainer(c *instructions.Maintainer) *diag.Diagnostic {
	e.st.Image.Author = c.Author.Value
	e.commit("MAINTAINER "+c.Author.Value, false)
	return nil
}

func (e *evaluator) user(c *instructions.User) *diag.Diagnostic {
	u, d := e.word(c.User)
	if d != nil {
		return d
	}
	e.state.User = u
	e.st.Image.Config.User = u
	e.commit("USER "+u, false)
	return nil
}

func (e *evaluator) volume(c *instructions.Volume) *diag.Diagnostic {
	paths, d := e.words(c.Paths)
	if d != nil {
		return d
	}
	cfg := &e.st.Image.Config
	if cfg.Volumes == nil {
		cfg.Volumes = map[string]struct{}{}
	}
	for i, p := range paths {
		if p == "" {
			return diag.Errorf(c.Paths[i].Text.Range(), "VOLUME specified can not be an empty string")
		}
		cfg.Volumes[p] = struct{}{}
	}
	e.commit(fmt.Sprintf("VOLUME %v", paths), false)
	return nil
}

func (e *evaluator) stopSignal(c *instructions.StopSignal) *diag.Diagnostic {
	s, d := e.word(c.Signal)
	if d != nil {
		return d
	}
	if _, err := signal.ParseSignal(s); err != nil {
		return diag.Errorf(c.Signal.Text.Range(), "%w", err)
	}
	e.st.Image.Config.StopSignal = s
	e.commit("STOPSIGNAL "+s, false)
	return nil
}

func (e *evaluator) shell(c *instructions.Shell) *diag.Diagnostic {
	e.st.Image.Config.Shell = c.Shell
	e.state.Shell = c.Shell
	e.commit(fmt.Sprintf("SHELL %v", c.Shell), false)
	return nil
}

// withShell returns the argument list that runs a command line in the stage's shell.
// Without SHELL, that is /bin/sh, or cmd for Windows images.
func (e *evaluator) withShell(args []string) []string {
	return append(slices.Clone(e.stageShell()), strings.Join(args, " "))
}

// stageShell returns the shell of the stage with its arguments.
func (e *evaluator) stageShell() []string {
	sh := e.st.Image.Config.Shell
	if len(sh) == 0 {
		sh = []string{"/bin/sh", "-c"}
		if e.st.Image.OS == "windows" {
			sh = []string{"cmd", "/S", "/C"}
		}
	}
	return sh
}

// commandLine returns the argument list that CMD or ENTRYPOINT stores in the config. For the
// shell form, the list starts with the shell.
func (e *evaluator) commandLine(c instructions.CommandLine) []string {
	var args []string
	if c.Args != nil {
		args = make([]string, 0, len(c.Args))
	}
	for _, w := range c.Args {
		args = append(args, w.Value)
	}
	if c.Shell {
		return e.withShell(args)
	}
	return args
}

func (e *evaluator) cmd(c *instructions.Cmd) *diag.Diagnostic {
	line, d := e.expandCommand(c, c.CommandLine)
	if d != nil {
		return d
	}
	args := e.commandLine(line)
	cfg := &e.st.Image.Config
	cfg.Cmd = args
	cfg.ArgsEscaped = true //nolint:staticcheck // Docker on Windows reads it
	e.hasCmd = true
	e.commit(fmt.Sprintf("CMD %q", args), false)
	return nil
}

// entrypoint sets ENTRYPOINT in the image config. It also removes a CMD that the stage
// inherited, because an inherited CMD contains arguments for the entrypoint of the base.
func (e *evaluator) entrypoint(c *instructions.Entrypoint) *diag.Diagnostic {
	line, d := e.expandCommand(c, c.CommandLine)
	if d != nil {
		return d
	}
	args := e.commandLine(line)
	cfg := &e.st.Image.Config
	cfg.Entrypoint = args
	if !e.hasCmd {
		cfg.Cmd = nil
	}
	e.commit(fmt.Sprintf("ENTRYPOINT %q", args), false)
	return nil
}

func (e *evaluator) healthcheck(c *instructions.Healthcheck) *diag.Diagnostic {
	test, d := e.expandTest(c)
	if d != nil {
		return d
	}
	h := &dockerspec.HealthcheckConfig{
		Test:          test,
		Interval:      c.Interval,
		Timeout:       c.Timeout,
		StartPeriod:   c.StartPeriod,
		StartInterval: c.StartInterval,
		Retries:       c.Retries,
	}
	e.st.Image.Config.Healthcheck = h
	e.commit(fmt.Sprintf("HEALTHCHECK %+v", *h), false)
	return nil
}
