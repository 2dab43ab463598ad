package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"slipway/builder"
)

// releaseVersion is the version of a release, such as v1.2.3, and releaseCommit its commit. Only
// the linker sets them, in `make release`. A release does not use the version that Go records,
// because that one depends on the tags of the clone.
var releaseVersion, releaseCommit string

// versions lists the versions that identify this program.
type versions struct {
	Slipway    string `json:"slipway"`    // v1.2.3, a pseudo-version, or (devel)
	Dockerfile string `json:"dockerfile"` // the docker/dockerfile with the same operations
	BuildKit   string `json:"buildkit"`   // the module of the protocol and the grammar
	Go         string `json:"go"`
	Commit     string `json:"commit,omitempty"`
	Modified   bool   `json:"modified,omitempty"` // whether the work tree differed from the commit
	Platform   string `json:"platform"`
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of slipway, docker/dockerfile, BuildKit and Go",
		Long: `Print the version of slipway, the version of docker/dockerfile whose operations it
reproduces, the versions of BuildKit's module and of Go, and the commit.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo()
			v := versionsOf(info)
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			}
			return v.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	return cmd
}

// version returns the version of a release, or the version that Go recorded in the program. If
// neither exists, it returns "(devel)".
func version() string {
	if releaseVersion != "" {
		return releaseVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// versionsOf returns the versions of this program. If info is nil, the versions that only Go
// records are empty.
func versionsOf(info *debug.BuildInfo) versions {
	v := versions{
		Slipway: version(), Dockerfile: builder.DockerfileVersion, Go: runtime.Version(),
		Commit: releaseCommit, Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info == nil {
		return v
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/moby/buildkit" {
			v.BuildKit = m.Version
		}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = cmp.Or(v.Commit, s.Value)
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// print writes the versions to w, one per line.
func (v versions) print(w io.Writer) error {
	commit := cmp.Or(v.Commit, "unknown")
	if v.Modified {
		commit += " (modified)"
	}
	_, err := fmt.Fprintf(w, "slipway     %s\ndockerfile  %s\nbuildkit    %s\ngo          %s\ncommit      %s\nplatform    %s\n",
		v.Slipway, v.Dockerfile, cmp.Or(v.BuildKit, "unknown"), v.Go, commit, v.Platform)
	return err
}
