package plan

import (
	"slices"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
)

// unset removes a part of the image config of the stage, whoever set it.
func (e *evaluator) unset(c *instructions.Unset) *diag.Diagnostic {
	patterns, d := e.words(c.Patterns)
	if d != nil {
		return d
	}
	line, written := e.plainUnset(c)
	if line == "" {
		line = strings.Join(append([]string{"UNSET " + c.Part.Value}, patterns...), " ")
	}
	switch c.Part.Value {
	case "ENV", "LABEL", "EXPOSE", "VOLUME":
		for i, p := range patterns {
			if !e.unsetMatches(c.Part.Value, p) {
				e.recordFact(&Advice{Check: "UnsetNothing", Range: c.Patterns[i].Text.Range(), Text: "no " + c.Part.Value + " matches " + p})
			}
		}
	case "ALL":
		e.unsetAll()
	default:
		if !e.unsetValue(c.Part.Value) {
			e.recordFact(&Advice{Check: "UnsetNothing", Range: c.Part.Text.Range(), Text: "there is no " + c.Part.Value + " to unset"})
		}
	}
	e.commit(line, false)
	if l := e.b.lowering(c.In); written != "" {
		l.Text = written
	} else {
		l.Native = diag.Errorf(c.In.Line.Range(), "%s cannot be said in a plain Dockerfile; %s", instructions.Code(c), unsetAdvice(c))
	}
	return nil
}

// plainUnset returns the history entry and the text of a plain instruction with the same effect
// as UNSET CMD or UNSET ENTRYPOINT. If no plain instruction has this effect, both are empty.
func (e *evaluator) plainUnset(c *instructions.Unset) (line, written string) {
	switch c.Part.Value {
	case "CMD":
		return "CMD []", "CMD []"
	case "ENTRYPOINT": // ENTRYPOINT [] also removes an inherited CMD
		if e.hasCmd || e.st.Image.Config.Cmd == nil {
			return "ENTRYPOINT []", "ENTRYPOINT []"
		}
	}
	return "", ""
}

// unsetAdvice returns the remedy in the error about an UNSET without a plain equivalent.
func unsetAdvice(c *instructions.Unset) string {
	if c.Part.Value == "ENTRYPOINT" {
		return "write ENTRYPOINT [], and repeat the CMD of the base below it"
	}
	return "start from an image without it"
}

// unsetMatches removes the elements of a list in the config that match a pattern. It reports
// whether there are any.
func (e *evaluator) unsetMatches(part, pattern string) (found bool) {
	cfg := &e.st.Image.Config
	switch part {
	case "ENV":
		for _, name := range e.state.Env.Keys() {
			if dialect.Match(pattern, name) {
				found = true
				e.unsetEnv(name)
			}
		}
	case "LABEL":
		cfg.Labels, found = withoutMatches(cfg.Labels, pattern)
	case "VOLUME":
		cfg.Volumes, found = withoutMatches(cfg.Volumes, pattern)
	case "EXPOSE":
		if !strings.Contains(pattern, "/") {
			pattern += "/tcp"
		}
		cfg.ExposedPorts, found = withoutMatches(cfg.ExposedPorts, pattern)
	}
	return found
}

// withoutMatches removes the keys that match a pattern from a map. An empty map becomes nil.
func withoutMatches[V any](m map[string]V, pattern string) (_ map[string]V, found bool) {
	for k := range m {
		if dialect.Match(pattern, k) {
			found = true
			delete(m, k)
		}
	}
	if len(m) == 0 {
		return nil, found
	}
	return m, found
}

// unsetEnv removes a variable from the environment and from the config.
func (e *evaluator) unsetEnv(name string) {
	e.state.Env = e.state.Env.Without(name)
	e.state.Args = slices.DeleteFunc(slices.Clone(e.state.Args), func(a ArgValue) bool { return a.Key == name })
	delete(e.args, name)
	delete(e.assigned, name)
	cfg := &e.st.Image.Config
	cfg.Env = slices.DeleteFunc(cfg.Env, func(kv string) bool { k, _ := splitEnv(kv); return k == name })
	e.envIndex = nil
}

// unsetValue removes a value from the config. It reports whether the config had the value.
func (e *evaluator) unsetValue(part string) (found bool) {
	cfg := &e.st.Image.Config
	switch part {
	case "CMD":
		found = len(cfg.Cmd) > 0
		cfg.Cmd = []string{}   // as CMD [] does
		cfg.ArgsEscaped = true //nolint:staticcheck // as CMD does
		e.hasCmd = true
	case "ENTRYPOINT":
		found = len(cfg.Entrypoint) > 0
		cfg.Entrypoint = nil
	case "HEALTHCHECK":
		found = cfg.Healthcheck != nil
		cfg.Healthcheck = nil
	case "SHELL":
		found = cfg.Shell != nil
		cfg.Shell, e.state.Shell = nil, nil
	case "STOPSIGNAL":
		found = cfg.StopSignal != ""
		cfg.StopSignal = ""
	case "USER":
		found = cfg.User != ""
		cfg.User, e.state.User = "", ""
	case "WORKDIR":
		found = cfg.WorkingDir != "" && cfg.WorkingDir != "/"
		cfg.WorkingDir, e.state.Dir, e.state.OwnDir = "/", "/", false
	case "ONBUILD":
		found = len(cfg.OnBuild) > 0
		cfg.OnBuild = nil
	case "MAINTAINER":
		found = e.st.Image.Author != ""
		e.st.Image.Author = ""
	}
	return found
}

// unsetAll makes the config that of scratch, except that PATH stays.
func (e *evaluator) unsetAll() {
	for _, name := range e.state.Env.Keys() {
		if name != "PATH" {
			e.unsetEnv(name)
		}
	}
	for _, part := range []string{"CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "STOPSIGNAL", "USER", "WORKDIR", "ONBUILD", "MAINTAINER"} {
		e.unsetValue(part)
	}
	cfg := &e.st.Image.Config
	cfg.Labels, cfg.Volumes, cfg.ExposedPorts = nil, nil, nil
}
