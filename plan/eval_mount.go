package plan

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

var (
	mountTypes   = []string{"bind", "cache", "tmpfs", "secret", "ssh"}
	sharingModes = []string{"shared", "private", "locked"}
	mountKeys    = []string{
		"type", "from", "source", "target", "readonly", "id", "sharing", "required", "size", "mode",
		"uid", "gid", "src", "dst", "destination", "ro", "rw", "readwrite", "env",
	}
)

// mountValues holds the expanded fields of one --mount flag, before its source is
// resolved to a stage.
type mountValues struct {
	typ            MountType
	from           string
	variable       *source.Range // of an earlier from= with a variable
	source, target string
	readOnly       *bool // nil selects the default for the type
	size           int64
	id, sharing    string
	required       bool
	env            *string
	mode, uid, gid *uint64
	flag           source.Range
}

// mounts expands and parses the --mount flags of a RUN.
func (e *evaluator) mounts(c *instructions.Run) ([]mountValues, *diag.Diagnostic) {
	list := make([]mountValues, 0, len(c.Mounts))
	for i := range c.Mounts {
		m := mountValues{typ: MountBind, flag: c.Mounts[i].Flag.Text.Range()}
		for _, f := range c.Mounts[i].Fields {
			if d := e.mountField(&m, f); d != nil {
				return nil, d
			}
		}
		e.requireSecret(c, &m, &c.Mounts[i])
		if d := m.check(); d != nil {
			return nil, d
		}
		list = append(list, m)
	}
	return list, nil
}

// mountField parses one field of a --mount flag into m. The order of the fields matters:
// upstream accepts the field "required" only after the field "type".
func (e *evaluator) mountField(m *mountValues, f instructions.MountField) *diag.Diagnostic {
	if !f.HasValue {
		return m.setFlag(f)
	}
	w := parser.Word{Value: f.Value, Text: fieldText(f)}
	if f.Key == "from" && e.isGated() {
		return e.gatedFrom(m, w)
	}
	v, d := e.word(w)
	if d != nil {
		return d
	}
	switch f.Key {
	case "from":
		m.from = v
	case "source", "src":
		m.source = v
	case "target", "dst", "destination":
		m.target = v
	case "id":
		m.id = v
	case "env":
		m.env = &v
	default:
		return m.setParsed(f, v)
	}
	return nil
}

// gatedFrom parses the value w of from= in a file with a gate, where it can have variables. A later
// from= must not override one with a variable: no plain Dockerfile could contain the former.
func (e *evaluator) gatedFrom(m *mountValues, w parser.Word) (d *diag.Diagnostic) {
	if m.variable != nil {
		return diag.Errorf(*m.variable, "a later from= of the mount overrides this one: remove it")
	}
	if strings.Contains(w.Value, "$") {
		r := w.Text.Range()
		m.variable = &r
	}
	m.from, d = e.b.earlyWord(w)
	return d
}

// fieldText returns the source text of a field's value. If quotes or escapes hide where
// the value starts, it returns the text of the whole field.
func fieldText(f instructions.MountField) source.Text {
	t := f.Range.Text()
	if t.String() == f.Text {
		return t.Slice(len(f.Key)+1, t.Len())
	}
	return t
}

// setFlag parses a field of --mount that has no value, such as readonly.
func (m *mountValues) setFlag(f instructions.MountField) *diag.Diagnostic {
	yes, no := true, false
	switch f.Key {
	case "readonly", "ro":
		m.readOnly = &yes
	case "readwrite", "rw":
		m.readOnly = &no
	case "required":
		if m.typ != MountSecret && m.typ != MountSSH {
			return diag.Errorf(f.Range, "unexpected key '%s' for mount type '%s'", f.Key, m.typ)
		}
		m.required = true
	default:
		return diag.Errorf(f.Range, "invalid field '%s' must be a key=value pair", f.Text)
	}
	return nil
}

// setParsed parses a mount field whose value is a boolean, a size, a number or a keyword
// such as "shared".
func (m *mountValues) setParsed(f instructions.MountField, v string) *diag.Diagnostic {
	var err error
	switch f.Key {
	case "type":
		m.typ = MountType(strings.ToLower(v))
		if !slices.Contains(mountTypes, string(m.typ)) {
			return diag.Errorf(f.Range, "unsupported mount type %q%s", v, didYouMean(v, mountTypes))
		}
	case "sharing":
		m.sharing = strings.ToLower(v)
		if !slices.Contains(sharingModes, m.sharing) {
			return diag.Errorf(f.Range, "unsupported sharing value %q%s", v, didYouMean(v, sharingModes))
		}
	case "readonly", "ro", "readwrite", "rw":
		var b bool
		b, err = strconv.ParseBool(v)
		if f.Key == "readwrite" || f.Key == "rw" {
			b = !b
		}
		m.readOnly = &b
	case "required":
		if m.typ != MountSecret && m.typ != MountSSH {
			return diag.Errorf(f.Range, "unexpected key '%s' for mount type '%s'", f.Key, m.typ)
		}
		m.required, err = strconv.ParseBool(v)
	case "size":
		if m.typ != MountTmpfs {
			return diag.Errorf(f.Range, "unexpected key '%s' for mount type '%s'", f.Key, m.typ)
		}
		m.size, err = units.RAMInBytes(v)
	case "mode", "uid", "gid":
		return m.setNumber(f, v)
	default:
		return diag.Errorf(f.Range, "unexpected key '%s' in '%s'%s", f.Key, f.Text, didYouMean(f.Key, mountKeys))
	}
	if err != nil {
		return diag.Errorf(f.Range, "invalid value for %s: %s", f.Key, v)
	}
	return nil
}

// setNumber parses the value of a mode field (octal) or of a uid or gid field (decimal).
func (m *mountValues) setNumber(f instructions.MountField, v string) *diag.Diagnostic {
	to, base := &m.mode, 8
	switch f.Key {
	case "uid":
		to, base = &m.uid, 10
	case "gid":
		to, base = &m.gid, 10
	}
	n, err := strconv.ParseUint(v, base, 32)
	if err != nil {
		return diag.Errorf(f.Range, "invalid value %s for %s", v, f.Key)
	}
	*to = &n
	return nil
}

// check returns an error if a field is invalid for the type of the mount.
func (m *mountValues) check() *diag.Diagnostic {
	if m.typ == MountBind || m.typ == MountTmpfs {
		for _, k := range [...]struct {
			name string
			v    *uint64
		}{{"mode", m.mode}, {"uid", m.uid}, {"gid", m.gid}} {
			if k.v != nil {
				return diag.Errorf(m.flag, "%s not allowed for %q type mounts", k.name, m.typ)
			}
		}
	}
	if m.typ == MountSecret {
		switch {
		case m.from != "":
			return diag.Errorf(m.flag, "secret mount should not have a from")
		case m.sharing != "":
			return diag.Errorf(m.flag, "secret mount should not define sharing")
		case m.source == "" && m.target == "" && m.id == "":
			return diag.Errorf(m.flag, "invalid secret mount. one of source, target required")
		case m.source != "" && m.id != "":
			return diag.Errorf(m.flag, "both source and id can't be set")
		}
	}
	if m.sharing != "" && m.typ != MountCache {
		return diag.Errorf(m.flag, "invalid cache sharing set for %v mount", m.typ)
	}
	return nil
}

// bindMounts resolves the source and the target of each mount and returns the mounts of
// the step.
func (e *evaluator) bindMounts(values []mountValues) ([]Mount, *diag.Diagnostic) {
	var list []Mount
	for i, v := range values {
		if v.from == "" && v.typ == MountCache {
			v.from = scratch
		}
		src := e.visit.Sources[i]
		// Upstream: an ONBUILD trigger may mount the stage in which it runs. It sees the
		// stage's files before the trigger. For other instructions, this is a cycle.
		if v.from != "" && !e.b.draft(src).done && src != e.st {
			return nil, hintLaterStage(diag.Errorf(v.flag, "cannot mount from stage %q to %q, stage needs to be defined before current command", v.from, v.target), src)
		}
		var m Mount
		var d *diag.Diagnostic
		switch v.typ {
		case MountSecret:
			m, d = e.secretMount(v)
		case MountSSH:
			m, d = sshMount(v)
		case MountBind, MountCache, MountTmpfs:
			m, d = e.treeMount(v, src)
		}
		if d != nil {
			return nil, d
		}
		list = append(list, m)
	}
	return list, nil
}

// treeMount plans a bind, cache or tmpfs mount. If a bind or cache mount has no field
// from=, it uses the main context.
func (e *evaluator) treeMount(v mountValues, src *Stage) (Mount, *diag.Diagnostic) {
	m := Mount{
		Type: v.typ, Size: v.size, Sharing: v.sharing, UID: v.uid, GID: v.gid, Mode: v.mode,
		Source: path.Join("/", v.source), Target: v.target, ReadOnly: v.typ == MountBind,
	}
	if v.readOnly != nil {
		m.ReadOnly = *v.readOnly
	}
	if v.typ == MountCache {
		id := v.id
		if id == "" {
			id = path.Clean(v.target)
		}
		m.ID = e.b.opt.CacheIDNamespace + "/" + id
	}
	if !path.IsAbs(path.Clean(v.target)) {
		m.Target = path.Join("/", e.state.Dir, v.target)
	}
	if m.Target == "/" {
		return m, diag.Errorf(v.flag, "invalid mount target %q", m.Target)
	}
	used := e.st.Context
	if v.from != "" {
		used = src.Used
	}
	used.Add(v.source)
	if v.typ != MountTmpfs {
		m.Tree = &Tree{}
		if v.from != "" {
			m.Tree.Stage = src
		}
	}
	return m, nil
}

// secretMount plans a secret that RUN gets as a file, as a variable, or as both.
func (e *evaluator) secretMount(v mountValues) (Mount, *diag.Diagnostic) {
	windows := e.st.Platform.OS == "windows"
	target := toSlash(v.target, e.st.Platform.OS)
	id := v.id
	if v.source != "" {
		id = v.source
	}
	if id == "" {
		if target == "" {
			return Mount{}, diag.Errorf(v.flag, "one of source, target required")
		}
		id = path.Base(target)
	}
	if windows && target != "" && !isAbs(target, "windows") {
		return Mount{}, diag.Errorf(v.flag, "secret target %q must be an absolute path with forward slashes on Windows, e.g. --mount=type=secret,id=%s,target=C:/path/to/secret", target, id)
	}
	if v.env == nil && target == "" {
		if windows {
			return Mount{}, diag.Errorf(v.flag, "secret target is required on Windows, e.g. --mount=type=secret,id=%s,target=C:/path/to/secret", id)
		}
		target = "/run/secrets/" + path.Base(id)
	}
	return Mount{
		Type: MountSecret, ID: id, Target: target, Env: v.env, Required: v.required,
		UID: v.uid, GID: v.gid, Mode: v.mode,
	}, nil
}

// sshMount plans a mount of an SSH agent's socket.
func sshMount(v mountValues) (Mount, *diag.Diagnostic) {
	if v.source != "" {
		return Mount{}, diag.Errorf(v.flag, "ssh does not support source")
	}
	return Mount{
		Type: MountSSH, ID: v.id, Target: v.target, Required: v.required,
		UID: v.uid, GID: v.gid, Mode: v.mode,
	}, nil
}
