package differential

import (
	"fmt"
	"slices"

	theirs "github.com/moby/buildkit/frontend/dockerfile/instructions"

	ours "slipway/instructions"
	"slipway/parser"
)

// ourFields returns the fields of a command from our parser. The keys are the names of the
// same fields in upstream's types.
func ourFields(c ours.Command) map[string]any {
	switch c := c.(type) {
	case *ours.From:
		return map[string]any{"Base": c.Base.Value, "Platform": c.Platform.Value}
	case *ours.Arg:
		return map[string]any{"Args": ourDeclarations(c)}
	case *ours.Env:
		return map[string]any{"Pairs": ourPairs(c.Pairs, c.Legacy)}
	case *ours.Label:
		return map[string]any{"Pairs": ourPairs(c.Pairs, c.Legacy)}
	case *ours.Run:
		return ourRun(c)
	case *ours.Copy:
		return ourCopy(c)
	case *ours.Cmd:
		return map[string]any{"Args": ourWords(c.Args), "Shell": c.Shell}
	case *ours.Entrypoint:
		return map[string]any{"Args": ourWords(c.Args), "Shell": c.Shell}
	case *ours.Healthcheck:
		return map[string]any{
			"Test": c.Test, "Interval": c.Interval, "Timeout": c.Timeout,
			"StartPeriod": c.StartPeriod, "StartInterval": c.StartInterval, "Retries": c.Retries,
		}
	case *ours.Maintainer:
		return map[string]any{"Value": c.Author.Value}
	case *ours.Workdir:
		return map[string]any{"Value": c.Path.Value}
	case *ours.User:
		return map[string]any{"Value": c.User.Value}
	case *ours.StopSignal:
		return map[string]any{"Value": c.Signal.Value}
	case *ours.Onbuild:
		return map[string]any{"Value": c.Expression}
	case *ours.Volume:
		return map[string]any{"Values": ourWords(c.Paths)}
	case *ours.Expose:
		return map[string]any{"Values": ourWords(c.Ports)}
	case *ours.Shell:
		return map[string]any{"Values": c.Shell}
	}
	return map[string]any{"unknown": fmt.Sprintf("%T", c)}
}

// ourWords returns the text of each word that our parser found. For a nil list, it returns
// nil, and for an empty list an empty list.
func ourWords(list []parser.Word) []string {
	if list == nil {
		return nil
	}
	out := []string{}
	for _, w := range list {
		out = append(out, w.Value)
	}
	return out
}

func ourPairs(list []parser.Pair, legacy bool) (out []theirs.KeyValuePair) {
	for _, p := range list {
		out = append(out, theirs.KeyValuePair{Key: p.Key.Value, Value: p.Value.Value, NoDelim: legacy})
	}
	return out
}

func ourDeclarations(c *ours.Arg) (out []theirs.KeyValuePairOptional) {
	for _, a := range c.Args {
		kv := theirs.KeyValuePairOptional{Key: a.Key, DocComment: a.Doc}
		if a.Default != nil {
			kv.Value = &a.Default.Value
		}
		out = append(out, kv)
	}
	return out
}

func ourRun(c *ours.Run) map[string]any {
	var files []theirs.ShellInlineFile
	for _, h := range c.Heredocs {
		files = append(files, theirs.ShellInlineFile{Name: h.Name, Data: h.Content(), Chomp: h.Chomp})
	}
	var mounts []string
	for _, m := range c.Mounts {
		mounts = append(mounts, m.From)
	}
	var devices []theirs.Device
	for _, d := range c.Devices {
		devices = append(devices, theirs.Device{Name: d.Name, Required: d.Required})
	}
	return map[string]any{
		"Args": ourWords(c.Args), "Shell": c.Shell, "Files": files, "Flags": flagsUsed(c.Syntax()),
		"Mounts": mounts, "Devices": devices, "Network": c.Network, "Security": c.Security,
	}
}

func ourCopy(c *ours.Copy) map[string]any {
	var inline []theirs.SourceContent
	for _, i := range c.Inline {
		inline = append(inline, theirs.SourceContent{Path: i.Name, Data: i.Data, Expand: i.Expand})
	}
	m := map[string]any{
		"Sources": ourWords(c.Sources), "Inline": inline, "Dest": c.Dest.Value,
		"Chown": c.Chown.Value, "Chmod": c.Chmod.Value, "Link": c.Link, "Exclude": c.Exclude,
		"Add": c.Add,
	}
	if c.Add {
		m["Checksum"], m["KeepGit"], m["Unpack"] = c.Checksum.Value, c.KeepGit, c.Unpack
	} else {
		m["From"], m["Parents"] = c.From.Value, c.Parents
	}
	return m
}

// theirFields returns the fields of a command from upstream's parser, keyed by name.
func theirFields(c theirs.Command) map[string]any {
	switch c := c.(type) {
	case *theirs.ArgCommand:
		return map[string]any{"Args": c.Args}
	case *theirs.EnvCommand:
		return map[string]any{"Pairs": []theirs.KeyValuePair(c.Env)}
	case *theirs.LabelCommand:
		return map[string]any{"Pairs": []theirs.KeyValuePair(c.Labels)}
	case *theirs.RunCommand:
		return theirRun(c)
	case *theirs.CopyCommand:
		return map[string]any{
			"Sources": c.SourcePaths, "Inline": c.SourceContents, "Dest": c.DestPath,
			"Chown": c.Chown, "Chmod": c.Chmod, "Link": c.Link, "Exclude": c.ExcludePatterns,
			"Add": false, "From": c.From, "Parents": c.Parents,
		}
	case *theirs.AddCommand:
		return map[string]any{
			"Sources": c.SourcePaths, "Inline": c.SourceContents, "Dest": c.DestPath,
			"Chown": c.Chown, "Chmod": c.Chmod, "Link": c.Link, "Exclude": c.ExcludePatterns,
			"Add": true, "Checksum": c.Checksum, "KeepGit": c.KeepGitDir, "Unpack": c.Unpack,
		}
	case *theirs.CmdCommand:
		return map[string]any{"Args": c.CmdLine, "Shell": c.PrependShell}
	case *theirs.EntrypointCommand:
		return map[string]any{"Args": c.CmdLine, "Shell": c.PrependShell}
	case *theirs.HealthCheckCommand:
		h := c.Health
		return map[string]any{
			"Test": h.Test, "Interval": h.Interval, "Timeout": h.Timeout,
			"StartPeriod": h.StartPeriod, "StartInterval": h.StartInterval, "Retries": h.Retries,
		}
	case *theirs.MaintainerCommand:
		return map[string]any{"Value": c.Maintainer}
	case *theirs.WorkdirCommand:
		return map[string]any{"Value": c.Path}
	case *theirs.UserCommand:
		return map[string]any{"Value": c.User}
	case *theirs.StopSignalCommand:
		return map[string]any{"Value": c.Signal}
	case *theirs.OnbuildCommand:
		return map[string]any{"Value": c.Expression}
	case *theirs.VolumeCommand:
		return map[string]any{"Values": c.Volumes}
	case *theirs.ExposeCommand:
		return map[string]any{"Values": c.Ports}
	case *theirs.ShellCommand:
		return map[string]any{"Values": c.Shell}
	}
	return map[string]any{"unknown": fmt.Sprintf("%T", c)}
}

func theirRun(c *theirs.RunCommand) map[string]any {
	var mounts []string
	for _, m := range theirs.GetMounts(c) {
		mounts = append(mounts, m.From)
	}
	var devices []theirs.Device
	for _, d := range theirs.GetDevices(c) {
		devices = append(devices, *d)
	}
	used := slices.Sorted(slices.Values(c.FlagsUsed))
	return map[string]any{
		"Args": c.CmdLine, "Shell": c.PrependShell, "Files": c.Files, "Flags": used,
		"Mounts": mounts, "Devices": devices, "Network": theirs.GetNetwork(c), "Security": theirs.GetSecurity(c),
	}
}
