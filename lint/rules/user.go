package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
)

// userRules returns the rules about users.
func userRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "FinalStageRunsAsRoot", Severity: lint.Off, Hadolint: lint.Off,
			Summary: "An image should set a user that is not root",
			Checks:  lint.Checks{Stage: finalStageRunsAsRoot},
		},
		{
			Name: "UserUnknownInImage", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "A stage without /etc/passwd knows no names of users",
			Checks:  lint.Checks{Stage: userUnknownInImage},
		},
		{
			Name: "CreatedUserUnused", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "A user that the image creates should be used",
			Checks:  lint.Checks{Stage: createdUserUnused},
		},
		{
			Name: "CopyIgnoresUser", Severity: diag.Info, Hadolint: lint.Off,
			Summary: "COPY after USER needs --chown to make files of the user",
			Checks:  lint.Checks{Instruction: copyIgnoresUser},
		},
	}
}

func finalStageRunsAsRoot(p *lint.Pass, st *lint.Stage) {
	if !st.Leaf || !st.BaseKnown || st.Plan == nil || st.Plan.BaseImage == nil && !isScratch(root(st)) {
		return
	}
	if in, _ := lastUser(st); in != nil {
		return
	}
	if user := st.Plan.Image.Config.User; user == "" || isRoot(user) {
		p.Report(st.Syntax.From.Base.Text.Range(), "the base image runs as root, and no USER changes that")
	}
}

func userUnknownInImage(p *lint.Pass, st *lint.Stage) {
	if !isScratch(root(st)) {
		return
	}
	for s := st; s != nil; s = s.Base {
		for _, in := range s.Instructions {
			if mayBringPasswd(in) {
				return
			}
		}
	}
	for _, in := range st.Instructions {
		switch c := in.Command.(type) {
		case *instructions.User:
			v := in.Expand(c.User)
			if name, _, _ := strings.Cut(v.Text, ":"); v.Static && !in.Onbuild && isName(name) {
				p.Report(c.User.Text.Range(), "the image has no /etc/passwd, so that containers with the user %s do not start", name)
			}
		case *instructions.Copy:
			v := in.Expand(c.Chown)
			if name, _, _ := strings.Cut(v.Text, ":"); v.Static && !in.Onbuild && isName(name) && !c.Link {
				p.Report(c.Chown.Text.Range(), "the stage has no /etc/passwd, so that the user %s is unknown", name)
			}
		default:
		}
	}
}

// isName reports whether a user is a name other than root, not a number.
func isName(user string) bool {
	return user != "" && user != "root" && strings.Trim(user, "0123456789") != ""
}

// mayBringPasswd reports whether an instruction may create /etc/passwd.
func mayBringPasswd(in *lint.Instruction) bool {
	switch c := in.Command.(type) {
	case *instructions.Run:
		return true
	case *instructions.Copy:
		if len(c.Inline) > 0 {
			return true
		}
		dest := in.Expand(c.Dest)
		if !dest.Static || strings.Contains(dest.Text, "etc") {
			return true
		}
		for _, src := range c.Sources {
			v := in.Expand(src)
			if _, unpacked := archive(v.Text); unpacked && c.Add || !v.Static || strings.Contains(v.Text, "passwd") {
				return true
			}
			// A directory that is copied to / may contain /etc.
			if base := v.Text[strings.LastIndexByte(v.Text, '/')+1:]; is(dest.Text, "/", "/.", ".", "./") && !strings.Contains(base, ".") || is(v.Text, ".", "./", "/") {
				return true
			}
		}
	default:
	}
	return false
}

func createdUserUnused(p *lint.Pass, st *lint.Stage) {
	if !st.Leaf || st.Orphan {
		return
	}
	if in, _ := lastUser(st); in != nil {
		return
	}
	for s := st; s != nil; s = s.Base {
		for c := range s.Commands() {
			if !is(c.Name, "useradd", "adduser") {
				continue
			}
			name := createdUser(c)
			if name.Value != "" && strings.Count(string(p.File.Source.Bytes), name.Value) == 1 {
				p.Report(name.Range, "the user %s is created, but no instruction uses it", name.Value)
			}
		}
	}
}

// createdUser returns the name of the user that a command creates, or the zero Word.
func createdUser(c *script.Command) script.Word {
	u := script.Usage{
		Short:    "bcdefgGkKpRPsuZh",
		Long:     "base-dir comment home-dir expiredate inactive gid groups skel key password root prefix shell uid selinux-user home ingroup gecos",
		Switches: "create-home system user-group non-unique no-log-init disabled-password disabled-login group quiet",
	}
	a := c.Arguments(u)
	if len(a.Operands) == 0 || a.Opaque {
		return script.Word{}
	}
	if c.Name == "useradd" {
		return a.Operands[len(a.Operands)-1]
	}
	return a.Operands[0]
}

func copyIgnoresUser(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	c, ok := cmd.(*instructions.Copy)
	if !ok || in.Visit == nil || c.Chown.Value != "" || len(c.Sources) == 0 {
		return
	}
	user := in.Visit.Before.User
	own, _ := lastUserBefore(in)
	if user == "" || isRoot(user) || own == nil {
		return
	}
	f := p.Report(c.In.Keyword.Range(), "the copied files belong to root, not to the user %s (use --chown)", user)
	f.Fix("add --chown", false, lint.InsertAfter(c.In.Keyword.Range(), " --chown="+user))
	f.Related = append(f.Related, diag.Related{Range: own.Syntax.Rest.Range(), Message: "the USER"})
}

// lastUserBefore returns the USER before an instruction in the same stage, or nil.
func lastUserBefore(in *lint.Instruction) (*lint.Instruction, string) {
	for i := in.Index - 1; i >= 0; i-- {
		earlier := in.Stage.Instructions[i]
		if u, ok := earlier.Command.(*instructions.User); ok && !earlier.Onbuild {
			return earlier, u.User.Value
		}
	}
	return nil, ""
}
