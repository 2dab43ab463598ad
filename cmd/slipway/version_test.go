package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"slipway/builder"
)

// TestVersion checks both forms of the versions, of a program that Go built from a commit.
func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{
		Deps:     []*debug.Module{{Path: "github.com/moby/buildkit/x", Version: "v9"}, {Path: "github.com/moby/buildkit", Version: "v0.1.2"}},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}},
	}
	var out strings.Builder
	if err := versionsOf(info).print(&out); err != nil {
		t.Fatal(err)
	}
	want := "slipway     " + version() + "\ndockerfile  " + builder.DockerfileVersion + "\nbuildkit    v0.1.2\ngo          " + runtime.Version() +
		"\ncommit      abc (modified)\nplatform    " + runtime.GOOS + "/" + runtime.GOARCH + "\n"
	if out.String() != want {
		t.Errorf("got:\n%swant:\n%s", out.String(), want)
	}
	out.Reset()
	if err := versionsOf(nil).print(&out); err != nil || !strings.Contains(out.String(), "buildkit    unknown\n") || !strings.Contains(out.String(), "commit      unknown\n") {
		t.Errorf("without information from Go: %v\n%s", err, out.String())
	}
}

// TestVersionCommand checks what the command prints, and that it takes no arguments.
func TestVersionCommand(t *testing.T) {
	info, _ := debug.ReadBuildInfo()
	want := versionsOf(info)
	if !strings.HasPrefix(want.BuildKit, "v0.") {
		t.Errorf("BuildKit's version is %q, want that of go.mod", want.BuildKit)
	}
	code, out, told := slipwayOut(t, "version", "--json")
	var got versions
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got != want {
		t.Errorf("--json: exit %d, %v\n%s%s\nwant %+v", code, err, out, told, want)
	}
	code, out, _ = slipwayOut(t, "version")
	if code != 0 || !strings.Contains(out, "\ndockerfile  "+builder.DockerfileVersion+"\n") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if code, told := slipway(t, "version", "x"); code != exitUsage {
		t.Errorf("with an argument: exit %d, want %d\n%s", code, exitUsage, told)
	}
}
