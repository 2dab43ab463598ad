package llbtext

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
)

func marshal(t *testing.T, st llb.State) *pb.Definition {
	t.Helper()
	def, err := st.Marshal(t.Context(), llb.LinuxAmd64)
	if err != nil {
		t.Fatal(err)
	}
	return def.ToPB()
}

func sampleState(cmd string) llb.State {
	src := llb.Local("context", llb.SessionID("s"), llb.FollowPaths([]string{"a"}), llb.WithCustomName("load"))
	sm := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", []byte("FROM x\nRUN y\n"))
	at := sm.Location([]*pb.Range{
		{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}},
		{Start: &pb.Position{Line: 3, Character: 1}, End: &pb.Position{Line: 4}},
	})
	run := llb.Image("alpine").Run(llb.Args([]string{"sh", cmd}), llb.AddEnv("A", "b\n"), at,
		llb.AddMount("/c", llb.Scratch(), llb.AsPersistentCacheDir("id", llb.CacheMountLocked)),
		llb.ProgressGroup("random", "group", true))
	return run.Root().File(llb.Copy(src, "/a", "/b", &llb.CopyInfo{CreateDestPath: true}))
}

func TestText(t *testing.T) {
	got, err := Text(marshal(t, sampleState("x")), All)
	if err != nil {
		t.Fatal(err)
	}
	want := `0 source
  source.identifier = "docker-image://docker.io/library/alpine:latest"
  platform = {Architecture: "amd64" OS: "linux"}
  constraints = {}
  meta.caps[source.image] = true
1 exec
  inputs[0] = {digest: 0 index: 0}
  exec.meta.args[0] = "sh"
  exec.meta.args[1] = "x"
  exec.meta.env[0] = "A=b\n"
  exec.meta.cwd = "/"
  exec.meta.removeMountStubsRecursive = true
  exec.mounts[0] = {input: 0 dest: "/" output: 0}
  exec.mounts[1] = {input: -1 dest: "/c" output: -1 mountType: CACHE cacheOpt: {ID: "id" sharing: LOCKED}}
  platform = {Architecture: "amd64" OS: "linux"}
  constraints = {}
  meta.caps[exec.meta.base] = true
  meta.caps[exec.mount.bind] = true
  meta.caps[exec.mount.cache] = true
  meta.caps[exec.mount.cache.sharing] = true
  meta.progress_group = {id: 0 name: "group" weak: true}
  at Dockerfile 2 3:1-4:0
2 source
  source.identifier = "local://context"
  source.attrs[local.followpaths] = "[\"a\"]"
  source.attrs[local.session] = "s"
  constraints = {}
  meta.description[llb.customname] = "load"
  meta.caps[source.local] = true
  meta.caps[source.local.followpaths] = true
  meta.caps[source.local.sessionid] = true
3 file
  inputs[0] = {digest: 1 index: 0}
  inputs[1] = {digest: 2 index: 0}
  file.actions[0] = {input: 0 secondaryInput: 1 output: 0 copy: {src: "/a" dest: "/b" mode: -1 createDestPath: true timestamp: -1}}
  constraints = {}
  meta.caps[file.base] = true
result 3 index 0
  meta.caps[constraints] = true
  meta.caps[meta.description] = true
  meta.caps[platform] = true
file 0 = "Dockerfile" language "Dockerfile", 13 bytes, from 0 operations
`
	if got != want {
		t.Error(cmp.Diff(want, got))
	}
}

func TestTextEmpty(t *testing.T) {
	got, err := Text(marshal(t, llb.Scratch()), All)
	if err != nil || got != "no result\n" {
		t.Errorf("Text of scratch = %q, %v", got, err)
	}
}

func TestTextErrors(t *testing.T) {
	whole := marshal(t, sampleState("x"))
	tests := []struct {
		name, want string
		def        *pb.Definition
	}{
		{"no protobuf", "operation 0", &pb.Definition{Def: [][]byte{[]byte("x")}}},
		{"no result", "does not name a result", &pb.Definition{Def: whole.Def[:1]}},
		{"missing input", "is not in the definition", &pb.Definition{Def: whole.Def[1:]}},
	}
	for _, tt := range tests {
		if _, err := Text(tt.def, All); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want …%s…", tt.name, err, tt.want)
		}
	}
}

func TestDiff(t *testing.T) {
	base := sampleState("x")
	other := llb.Image("busybox").File(llb.Mkdir("/a", 0o755))
	renamed := llb.Image("alpine", llb.WithCustomName("n")).File(llb.Mkdir("/a", 0o755))
	plain := llb.Image("alpine").File(llb.Mkdir("/a", 0o755))
	tests := []struct {
		name  string
		a, b  llb.State
		parts Parts
		want  []string // lines of the expected difference; empty if the parts are equal
	}{
		{"equal", base, sampleState("x"), All, nil},
		{"argument", base, sampleState("y"), All, []string{"-  exec.meta.args[1] = \"x\"", "+  exec.meta.args[1] = \"y\"", " 1 exec"}},
		{"first of two", plain, other, Ops, []string{"-  source.identifier = \"docker-image://docker.io/library/alpine:latest\""}},
		{"more operations", plain, llb.Image("alpine"), Ops, []string{"2 operations, and 1", "-1 file"}},
		{"name, not asked for", plain, renamed, Ops, nil},
		{"name", plain, renamed, Metadata, []string{"+  meta.description[llb.customname] = \"n\""}},
		{"nothing and something", llb.Scratch(), plain, Ops, []string{"0 operations, and 2"}},
	}
	for _, tt := range tests {
		got, err := Diff(marshal(t, tt.a), marshal(t, tt.b), tt.parts)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if (got == "") != (len(tt.want) == 0) {
			t.Errorf("%s: %q", tt.name, got)
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s:\n%s\nlacks %q", tt.name, got, want)
			}
		}
	}
}

func TestLines(t *testing.T) {
	got, err := Lines(marshal(t, sampleState("x")))
	if err != nil {
		t.Fatal(err)
	}
	want := `0 source docker-image://docker.io/library/alpine:latest platform=linux/amd64
  "", needs source.image
1 exec(0) args=["sh" "x"] env=["A=b\n"] cwd="/" removeMountStubsRecursive=true
    mounts={input: 0 dest: "/" output: 0}
    mounts={input: -1 dest: "/c" output: -1 mountType: CACHE cacheOpt: {ID: "id" sharing: LOCKED}} platform=linux/amd64
  "" Dockerfile 2 3:1-4:0, {progress_group: {id: 0 name: "group" weak: true}}, needs exec.meta.base exec.mount.bind exec.mount.cache exec.mount.cache.sharing
2 source local://context local.followpaths="[\"a\"]" local.session="s"
  "load", needs source.local source.local.followpaths source.local.sessionid
3 file(1, 2) actions={input: 0 secondaryInput: 1 output: 0 copy: {src: "/a" dest: "/b" createDestPath: true}}
  "", needs file.base
result 3, needs constraints meta.description platform
`
	if d := cmp.Diff(want, got[:strings.LastIndex(got, "definition ")]); d != "" {
		t.Error(d)
	}
	again, err := Lines(marshal(t, sampleState("x")))
	if err != nil || again != got {
		t.Errorf("a repeated run prints\n%s, %v, want\n%s", again, err, got)
	}
	located := marshal(t, sampleState("x"))
	located.Source.Infos[0].Data = []byte("FROM z\n")
	other, err := Lines(located)
	if err != nil || other == got {
		t.Errorf("the digest does not cover the source file: %v", err)
	}
}
