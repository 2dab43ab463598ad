package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"slipway/internal/testcontext"
)

func TestComplete(t *testing.T) {
	dir := testcontext.New(t, "ARG G\nFROM scratch AS one\n# A: what it is for\nARG A B=1\nCOPPY a /\nFROM one AS two\n")
	for _, tc := range []struct {
		words string
		want  string
	}{
		{dir + " --target ", "one\tFROM scratch|two\tFROM one|:4"},
		{"-f " + dir + "/Dockerfile --no-cache-filter ", "one\tFROM scratch|two\tFROM one|:4"},
		{dir + " --build-arg ", "G=|A=|B=|:6"},
		{"--cache-to ", "type=local,dest=|type=registry,ref=|type=inline|:6"},
		{"--builder unix:///x --cache-to ", "type=local,dest=|type=registry,ref=|type=inline|type=gha|:6"},
		{"--cache-from ", "type=local,src=|type=registry,ref=|:6"},
		{"--sbom ", ":4"},
		{"--builder unix:///x --sbom ", "true|false|:4"},
		{"--attest ", ":6"},
		{"--builder unix:///x --runner ", ":4"},
		{"--builder ", "unix://|tcp://|docker-container://|:6"},
		{"--progress ", "auto|plain|tty|rawjson|quiet|none|:4"},
		{"--output ", "type=oci,dest=|type=docker,dest=|type=tar,dest=|type=local,dest=|type=image|type=image,push=true|type=registry|type=cacheonly|:6"},
		{"--state ", ":16"},
		{"--report=", "md|json|html|:8"},
		{"--tlsk", "--tlskey\tkey FILE of --tlscert|:4"},
		{"--file ", ":0"},
		{"", ":16"},
		{"/does/not/exist --target ", ":4"},
	} {
		args := append([]string{"__complete", "build"}, strings.Split(tc.words, " ")...)
		if _, out, _ := slipwayOut(t, args...); strings.ReplaceAll(strings.TrimSpace(out), "\n", "|") != tc.want {
			t.Errorf("%s: %q, want %q", tc.words, out, tc.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, _ := slipwayOut(t, "completion", shell); code != 0 || !strings.Contains(out, "slipway") {
			t.Errorf("%s: exit code %d", shell, code)
		}
	}
}

// TestCompletedFlagsExist checks that all flags with completions exist. cobra ignores
// completions for unknown flags.
func TestCompletedFlagsExist(t *testing.T) {
	f := &buildFlags{}
	cmd := buildCommand()
	fixed, open := f.completions()
	for _, name := range slices.Concat(slices.Collect(maps.Keys(fixed)), slices.Collect(maps.Keys(open))) {
		if cmd.Flags().Lookup(name) == nil {
			t.Errorf("--%s does not exist", name)
		}
	}
}
