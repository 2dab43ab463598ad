package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver"
	"slipway/solver/tree"
)

// changes collects sentences for the user about changes of a step since the last build.
type changes struct {
	x        *Explainer
	v        *solver.Vertex
	old, now *record
	was      *pb.Op // operation in old
	list     []string
}

func (c *changes) add(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(c.list, s) {
		c.list = append(c.list, s)
	}
}

// addChange adds a sentence to the explanation if a property of the step has changed. The
// parameter name is the name of the property, before is its value in the last build, and after
// is its value in this build.
func (c *changes) addChange(name, before, after string) {
	switch {
	case before == after:
	case before == "":
		c.add("%s is now %s", name, excerpt(after))
	case after == "":
		c.add("%s is not %s any more", name, excerpt(before))
	default:
		c.add("%s is now %s, it was %s", name, excerpt(after), excerpt(before))
	}
}

// compare adds a sentence for each difference between the cache keys of the step in the last
// build and in this build. If edited is true, the explanation already contains the old text of
// the instruction, and compare omits changes in the definition of the operation.
func (c *changes) compare(edited bool) {
	other := false
	for _, p := range c.now.Parts {
		i := slices.IndexFunc(c.old.Parts, func(o solver.Part) bool { return o.Name == p.Name })
		if i >= 0 && c.old.Parts[i].Digest == p.Digest {
			continue
		}
		switch {
		case p.Name == "operation":
			other = !edited
			c.operation(edited)
		case p.Name == solver.RunnerPart:
			c.add(otherRunner)
		case i < 0 && edited:
		case i < 0:
			c.add("it now uses %s", c.input(c.now, p))
		case p.Tree != "":
			c.files(c.old.Parts[i], p, edited)
		case p.Input >= 0:
			c.wholeInput(c.old.Parts[i], p)
		default:
			c.add("%s changed", p.Name)
		}
	}
	for _, p := range c.old.Parts {
		switch {
		case slices.ContainsFunc(c.now.Parts, func(n solver.Part) bool { return n.Name == p.Name }):
		case p.Name == solver.RunnerPart:
			c.add(otherRunner)
		case !edited:
			c.add("it does not use %s any more", c.input(c.old, p))
		}
	}
	if other && len(c.list) == 0 {
		c.add("the instruction changed")
	}
}

// input returns the name of the input of the step r that p covers, such as "the context". The
// parameter p is a part of the step's cache key. If p covers no input, the function returns the
// name of p.
func (*changes) input(r *record, p solver.Part) string {
	if p.Input < 0 || p.Input >= len(r.Inputs) {
		return p.Name
	}
	return r.Inputs[p.Input]
}

// wholeInput adds a sentence to the explanation for a base image or a preceding step that has
// changed. The parameters are the parts of the cache keys that cover this input: old from the
// last build, and now from this build.
func (c *changes) wholeInput(old, now solver.Part) {
	was, is := c.input(c.old, old), c.input(c.now, now)
	image := strings.HasPrefix(is, imagePrefix)
	switch {
	case image && strings.HasPrefix(was, imagePrefix) && was != is:
		c.add("the base %s", imageChange(strings.TrimPrefix(was, imagePrefix), strings.TrimPrefix(is, imagePrefix)))
	case image:
		c.add("the base is now the %s, it was %s", is, was)
	case parseStep(was).Text != parseStep(is).Text && strings.HasPrefix(was, imagePrefix):
		c.add("the step before is now %s, it was %s", is, "the base "+was)
	case parseStep(was).Text != parseStep(is).Text:
		c.add("the step before is now %s, it was %s", excerpt(is), excerpt(was))
	default:
		c.add("the step before, %s, changed", excerpt(is))
	}
}

// imageChange describes the change between two image references: a new name, or a new digest
// for the same name.
func imageChange(was, is string) string {
	wasName, wasDigest, _ := strings.Cut(was, "@")
	isName, isDigest, _ := strings.Cut(is, "@")
	if wasName == isName {
		return fmt.Sprintf("image %s was updated: it is now %s, it was %s", isName, shortDigest(isDigest), shortDigest(wasDigest))
	}
	return fmt.Sprintf("image is now %s, it was %s", isName, wasName)
}

func shortDigest(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

// maxFiles is the maximum number of changed files that the explanation for a step names. If
// further files have changed, the explanation contains only their number.
const maxFiles = 5

// files adds sentences about changed files to the explanation. The files belong to an input of
// which a step uses only some files, such as the build context. The parameters old and now are
// the parts of the cache keys that cover these files, from the last build and from this build.
// If edited is true, the explanation already contains the old text of the instruction.
func (c *changes) files(old, now solver.Part, edited bool) {
	start := len(c.list)
	prefix, where := c.origin(c.input(c.old, old), c.input(c.now, now))
	before, errOld := solver.Selected(c.x.store, c.was, old)
	after, errNow := solver.Selected(c.x.store, c.v.Op, now)
	if errOld != nil || errNow != nil {
		c.add("files%s changed", where)
		return
	}
	all := maps.Clone(before)
	maps.Copy(all, after)
	n := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		how := fileChange(before[name], after[name])
		if how == "" {
			continue
		}
		if n++; n <= maxFiles {
			c.add("%s%s%s %s", prefix, cmp.Or(name, "/"), where, how)
		}
	}
	if n > maxFiles {
		c.add("%d more files%s changed", n-maxFiles, where)
	}
	if len(c.list) == start && !edited {
		c.add("files%s changed", where)
	}
}

// origin adds a sentence to the explanation if a step now gets its files from a different
// input. The parameters before and after are the names of the input in the last build and in
// this build. In a message about a file, prefix precedes the name of the file, and where
// follows it. An example of where is " of image alpine".
func (c *changes) origin(before, after string) (prefix, where string) {
	wasImage, a := strings.CutPrefix(before, imagePrefix)
	isImage, b := strings.CutPrefix(after, imagePrefix)
	switch {
	case before == after || parseStep(before).Text == parseStep(after).Text:
	case a && b:
		c.add("the %s", imageChange(wasImage, isImage))
	default:
		c.add("the files are now of %s, they were of %s", excerpt(after), excerpt(before))
	}
	switch {
	case after == contextName:
		return "", ""
	case after == heredocName:
		return "the heredoc ", ""
	case b:
		after, _, _ = strings.Cut(after, "@")
	}
	return "", " of " + excerpt(after)
}

// fileChange describes the difference between two versions of a file, such as "changed" or "is
// new". The parameter before is the file in the last build, and after is the file in this
// build. If the file did not exist in a build, the parameter is nil. If only the times differ,
// fileChange returns "", because cache keys do not cover times.
func fileChange(before, after *tree.Node) string {
	switch {
	case before == nil:
		return "is new"
	case after == nil:
		return "is gone"
	case before.Kind() != after.Kind():
		return fmt.Sprintf("is now a %v, it was a %v", after.Kind(), before.Kind())
	case before.Blob().Digest != after.Blob().Digest:
		return "changed"
	case before.Target() != after.Target():
		return fmt.Sprintf("now links to %s, it was to %s", after.Target(), before.Target())
	}
	a, b := before.Meta(), after.Meta()
	switch {
	case a.Mode != b.Mode:
		return fmt.Sprintf("has now the mode %04o, it was %04o", b.Mode, a.Mode)
	case a.UID != b.UID || a.GID != b.GID:
		return fmt.Sprintf("belongs now to %d:%d, it was to %d:%d", b.UID, b.GID, a.UID, a.GID)
	case !slices.Equal(a.Xattrs, b.Xattrs):
		return "has now other extended attributes"
	}
	return ""
}

// operation adds sentences to the explanation about changes in the definition of the
// operation, for example a different command or a different user.
func (c *changes) operation(edited bool) {
	switch was, now := c.was, c.v.Op; {
	case was.GetExec() != nil && now.GetExec() != nil:
		c.exec(was.GetExec(), now.GetExec(), edited)
	case was.GetFile() != nil && now.GetFile() != nil:
		c.file(was.GetFile(), now.GetFile(), edited)
	}
	c.addChange("the platform", platformName(c.was.Platform), platformName(c.v.Op.Platform))
}

func platformName(p *pb.Platform) string {
	if p == nil {
		return ""
	}
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}

func (c *changes) exec(was, now *pb.ExecOp, edited bool) {
	if !edited && !slices.Equal(was.Meta.Args, now.Meta.Args) {
		c.addChange("the command", strings.Join(was.Meta.Args, " "), strings.Join(now.Meta.Args, " "))
	}
	c.variables(was.Meta.Env, now.Meta.Env)
	c.addChange("the directory", was.Meta.Cwd, now.Meta.Cwd)
	c.addChange("the user", was.Meta.User, now.Meta.User)
	c.addChange("the host name", was.Meta.Hostname, now.Meta.Hostname)
	c.addChange("the network", was.Network.String(), now.Network.String())
	c.addChange("the security mode", was.Security.String(), now.Security.String())
	hosts := func(m *pb.Meta) string {
		var names []string
		for _, h := range m.ExtraHosts {
			names = append(names, h.Host)
		}
		return strings.Join(names, ", ")
	}
	c.addChange("the list of added hosts", hosts(was.Meta), hosts(now.Meta))
	c.mounts(was, now)
}

// variables adds sentences to the explanation about added, removed and changed
// environment variables, which come from ARG and ENV.
func (c *changes) variables(was, now []string) {
	split := func(env []string) map[string]string {
		m := map[string]string{}
		for _, kv := range env {
			k, v, _ := strings.Cut(kv, "=")
			m[k] = v
		}
		return m
	}
	before, after := split(was), split(now)
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		what := "the variable " + name
		if _, ok := c.x.args[name]; ok {
			what = "the build argument " + name
		}
		a, wasThere := before[name]
		b, isThere := after[name]
		switch {
		case !wasThere:
			c.add("%s is new: %s", what, excerpt(strconv.Quote(b)))
		case !isThere:
			c.add("%s is gone", what)
		case a != b:
			c.add("%s is now %s, it was %s", what, excerpt(strconv.Quote(b)), excerpt(strconv.Quote(a)))
		}
	}
}

// mounts adds sentences to the explanation about added, removed and changed mounts, and
// about secrets in environment variables. It does not compare the contents of secrets and
// cache mounts, because these contents are not part of the cache key.
func (c *changes) mounts(was, now *pb.ExecOp) {
	describe := func(op *pb.ExecOp) map[string]string {
		m := map[string]string{}
		for _, mount := range op.Mounts {
			if mount.Dest != pb.RootMount {
				m["the mount "+mount.Dest] = mountText(mount)
			}
		}
		for _, s := range op.Secretenv {
			m["the variable "+s.Name] = "the secret " + s.ID
		}
		return m
	}
	before, after := describe(was), describe(now)
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch a, b := before[name], after[name]; {
		case a == "":
			c.add("%s is new: %s", name, b)
		case b == "":
			c.add("%s is gone", name)
		default:
			c.addChange(name, a, b)
		}
	}
}

func mountText(m *pb.Mount) string {
	text := strings.ToLower(m.MountType.String())
	switch m.MountType {
	case pb.MountType_SECRET:
		text = "the secret " + m.SecretOpt.GetID()
	case pb.MountType_SSH:
		text = "the SSH agent " + m.SSHOpt.GetID()
	case pb.MountType_CACHE:
		text = "the " + strings.ToLower(m.CacheOpt.GetSharing().String()) + " cache " + m.CacheOpt.GetID()
	}
	if m.Selector != "" {
		text += " of " + m.Selector
	}
	if m.Readonly {
		text += ", read-only"
	}
	return text
}

// file adds sentences to the explanation about changes of a file operation, which comes
// from COPY, ADD or WORKDIR. If the instruction was edited, it adds nothing.
func (c *changes) file(was, now *pb.FileOp, edited bool) {
	if edited {
		return
	}
	if len(was.Actions) != len(now.Actions) {
		c.add("it is now done in %d parts, it was in %d", len(now.Actions), len(was.Actions))
		return
	}
	for i := range now.Actions {
		a, b := was.Actions[i], now.Actions[i]
		if f, g := a.GetMkfile(), b.GetMkfile(); f != nil && g != nil {
			if string(f.Data) != string(g.Data) {
				c.add("the text of %s changed", g.Path)
			}
			c.addChange("the mode", fmt.Sprintf("%04o", f.Mode), fmt.Sprintf("%04o", g.Mode))
			c.time(f.Timestamp, g.Timestamp)
		}
		if f, g := a.GetMkdir(), b.GetMkdir(); f != nil && g != nil {
			c.addChange("the directory", f.Path, g.Path)
			c.time(f.Timestamp, g.Timestamp)
		}
		f, g := a.GetCopy(), b.GetCopy()
		if f == nil || g == nil {
			continue
		}
		c.addChange("the source", f.Src, g.Src)
		c.addChange("the destination", f.Dest, g.Dest)
		c.addChange("the owner", f.Owner.String(), g.Owner.String())
		c.addChange("the mode", modeText(f), modeText(g))
		c.addChange("what is included", strings.Join(f.IncludePatterns, ", "), strings.Join(g.IncludePatterns, ", "))
		c.addChange("what is excluded", strings.Join(f.ExcludePatterns, ", "), strings.Join(g.ExcludePatterns, ", "))
		c.time(f.Timestamp, g.Timestamp)
	}
}

func modeText(c *pb.FileActionCopy) string {
	switch {
	case c.ModeStr != "":
		return c.ModeStr
	case c.Mode >= 0:
		return fmt.Sprintf("%04o", c.Mode)
	}
	return ""
}

// time adds a sentence to the explanation if SOURCE_DATE_EPOCH changed. The parameters was and
// now are the modification times that the operation sets on files in the last build and in this
// build.
func (c *changes) time(was, now int64) {
	if was != now {
		c.add("the time of its files (SOURCE_DATE_EPOCH) changed")
	}
}
