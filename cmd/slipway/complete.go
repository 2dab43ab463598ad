package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"slipway/builder"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// maxCompleted is the maximum size in bytes of a Dockerfile that is parsed for completions.
const maxCompleted = 1 << 20

func completeDirs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completions returns completions for the values of flags, by the name of the flag. The first
// result contains complete values. The second result contains prefixes to which the user must
// add text. Some values depend on flags that were parsed before, such as --builder. For all
// other flags, shells complete file names.
func (f *buildFlags) completions() (fixed, open map[string][]string) {
	fixed = map[string][]string{
		"progress":   {"auto", "plain", "tty", "rawjson", "quiet", "none"},
		"network":    {"default", "none", "host"},
		"runner":     {"auto", "namespace", "oci", "chroot", "portable"},
		"unisolated": {"network", "hostname", "limits"},
		"call": {
			"build", "check\tfind mistakes", "convertllb\tprint the operations", "eject\tprint a plain Dockerfile", "graph\tdraw the graph of the stages",
			"outline\tlist arguments and secrets", "plan\tlist steps", "targets\tlist stages",
		},
		"explain":  {"misses\twhy steps missed the cache", "keys\tcache keys of all steps"},
		"allow":    {"network.host", "security.insecure"},
		"platform": {"linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/ppc64le", "linux/riscv64", "linux/s390x", "local"},
		"sbom":     nil, "provenance": nil,
	}
	open = map[string][]string{
		"output":        {"type=oci,dest=", "type=docker,dest=", "type=tar,dest=", "type=local,dest=", "type=image", "type=image,push=true", "type=registry", "type=cacheonly"},
		"builder":       {"unix://", "tcp://", "docker-container://"},
		"cache-to":      {"type=local,dest=", "type=registry,ref=", "type=inline"},
		"cache-from":    {"type=local,src=", "type=registry,ref="},
		"secret":        {"id="},
		"annotation":    {"manifest:", "manifest-descriptor:", "index:", "index-descriptor:"},
		"build-context": nil, "label": nil, "tag": nil, "add-host": nil, "mirror": nil, "ulimit": nil, "shm-size": nil,
		"tlsservername": nil, "cgroup-parent": nil, "attest": nil, "ssh": nil, "resource": nil,
	}
	if os.Getenv("SSH_AUTH_SOCK") != "" {
		open["ssh"] = []string{"default"}
	}
	if f.builder.Address != "" {
		fixed["runner"] = nil
		fixed["sbom"], fixed["provenance"] = []string{"true", "false"}, []string{"true", "false", "mode=max", "mode=min"}
		open["attest"] = []string{"type=sbom", "type=provenance"}
		open["cache-to"], open["cache-from"] = append(open["cache-to"], "type=gha"), append(open["cache-from"], "type=gha")
		for name := range builder.LimitOptions() {
			open["resource"] = append(open["resource"], name+"=")
		}
		slices.Sort(open["resource"])
	}
	return fixed, open
}

// complete registers the completions for the flags of cmd.
func (f *buildFlags) complete(cmd *cobra.Command) {
	fixed, open := f.completions()
	for name := range fixed {
		_ = cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			fixed, _ := f.completions() // suits the flags, which are parsed now
			return fixed[name], cobra.ShellCompDirectiveNoFileComp
		})
	}
	for name := range open {
		_ = cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			_, open := f.completions()
			return open[name], cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		})
	}
	for _, name := range []string{"state", "tlsdir"} {
		_ = cmd.MarkFlagDirname(name)
	}
	_ = cmd.MarkFlagFilename("report", "md", "json", "html")
	for _, name := range []string{"target", "no-cache-filter"} {
		_ = cmd.RegisterFlagCompletionFunc(name, f.completeStages)
	}
	_ = cmd.RegisterFlagCompletionFunc("build-arg", f.completeArgs)
}

// completeStages returns the names of the stages in the Dockerfile as shell completions.
func (f *buildFlags) completeStages(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, s := range f.dockerfile(args).Stages {
		if s.Name != "" {
			names = append(names, cobra.CompletionWithDesc(s.Name, cmp.Or(s.Doc, "FROM "+s.From.Base.Value)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeArgs returns the names of the build arguments that the Dockerfile declares as shell
// completions.
func (f *buildFlags) completeArgs(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	d := f.dockerfile(args)
	declared := d.Args
	for _, s := range d.Stages {
		for _, c := range s.Commands {
			if a, ok := c.(*instructions.Arg); ok {
				declared = append(declared, a)
			}
		}
	}
	var names []string
	seen := map[string]bool{}
	for _, a := range declared {
		for _, one := range a.Args {
			if !seen[one.Key] {
				names = append(names, cobra.CompletionWithDesc(one.Key+"=", one.Doc))
			}
			seen[one.Key] = true
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// dockerfile parses the Dockerfile that the flags and the arguments args on the command line
// select. It omits invalid instructions. If the file cannot be read or parsed at all, the
// result is empty.
func (f *buildFlags) dockerfile(args []string) *instructions.Dockerfile {
	context := "."
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		context = args[0]
	}
	name := ""
	if n := len(f.files); n > 0 {
		name = f.files[n-1] // cobra parses the flags more than once
	} else {
		name = filepath.Join(context, "Dockerfile")
		if _, err := os.Stat(name); err != nil {
			name = filepath.Join(context, "Containerfile")
		}
	}
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxCompleted {
		return &instructions.Dockerfile{}
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return &instructions.Dockerfile{}
	}
	file, diags := parser.Parse(source.NewFile(name, data))
	if diags.Err() != nil {
		return &instructions.Dockerfile{}
	}
	d, _ := instructions.Parse(file) // without invalid instructions
	return d
}
