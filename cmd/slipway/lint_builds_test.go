package main

import (
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"slipway/internal/fakeregistry"
)

// lintCase is a run of slipway lint.
type lintCase struct {
	args string
	code int
	out  []string // in standard output; a text that starts with ! must be missing
	told string   // in standard error
}

// run runs slipway lint with the arguments of the case.
func (tc lintCase) run(t *testing.T) {
	t.Helper()
	code, out, told := slipwayOut(t, append([]string{"lint", "--shellcheck", "off"}, strings.Fields(tc.args)...)...)
	if code != tc.code || !strings.Contains(told, tc.told) {
		t.Errorf("%s: exit code %d, want %d; standard error %q, want …%s…; output %s", tc.args, code, tc.code, told, tc.told, out)
	}
	for _, want := range tc.out {
		if text, missing := strings.CutPrefix(want, "!"); missing == strings.Contains(out, text) {
			t.Errorf("%s: standard output %q, want …%s…", tc.args, out, want)
		}
	}
}

// TestLintBuilds checks the Dockerfiles of the targets in the output of docker buildx bake --print.
func TestLintBuilds(t *testing.T) {
	const bake = `{"group": {"default": {"targets": ["app", "dev"]}}, "target": {
  "app": {"context": "app", "dockerfile": "Dockerfile", "args": {"IMAGE": "debian:12"}, "platforms": ["linux/arm64", "linux/amd64"]},
  "dev": {"context": "app", "dockerfile": "Dockerfile", "args": {"IMAGE": "debian:latest", "UNSET": null}, "contexts": {"tools": "target:app"}},
  "inline": {"context": "app", "dockerfile-inline": "FROM debian:12\nRUN sudo a\nCOPY missing /\n"},
  "remote": {"context": "https://example.com/a.git", "dockerfile": "Dockerfile"}}}`
	writeFiles(t, map[string]string{
		"bake.json": bake, "empty.json": "{}", "bad.json": "[", "platform.json": `{"target": {"x": {"platforms": ["a/b/c/d"]}}}`, ".git/HEAD": "",
		"app/Dockerfile":   "ARG IMAGE\nFROM $IMAGE\nARG UNSET\nCOPY --from=tools /a /a\nCOPY missing.txt /\nRUN curl -f https://x/a-linux-amd64\nRUN sudo b\nUSER 1000\n",
		"other/Dockerfile": "FROM debian\n",
	})
	for _, tc := range []lintCase{
		{"--builds bake.json", 1, []string{
			"app/Dockerfile:2:6: warning: the tag latest", "(target dev) [ImageTagLatest",
			"tools", "(target app) [CopyFromUnknownStage", "missing.txt [CopySourceMissing", "(target app) [TargetArchHardcoded",
			"sudo makes a build depend on a terminal and on its configuration (use USER) [NoSudo",
			"inline (dockerfile-inline):2:5: error: sudo", "the context has no missing [", "!other/", " in 2 files",
		}, "target remote: not checked, because its Dockerfile is in https://example.com/a.git"},
		{"--builds bake.json --build-arg IMAGE=debian:11 app/Dockerfile other", 1, []string{"!ImageTagLatest", "other/Dockerfile:1:6", " in 3 files"}, ""},
		{"--builds bake.json --fix", 2, nil, "--builds and --fix exclude each other"},
		{"--builds gone.json", 2, nil, "gone.json"},
		{"--builds empty.json", 2, nil, "no targets"},
		{"--builds bad.json", 2, nil, "want the output of docker buildx bake --print"},
		{"--builds platform.json", 2, nil, "target x:"},
	} {
		tc.run(t)
	}
}

// TestLintResolve checks which base images slipway lint looks up. CmdLostByEntrypoint needs the
// config of the base.
func TestLintResolve(t *testing.T) {
	server := fakeregistry.Start(t, fakeregistry.None)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	pushWithCommand(t, at.Host+"/app:1")
	const rest = "\nENTRYPOINT [\"/e\"]\nUSER 1000\n"
	writeFiles(t, map[string]string{
		"base/Dockerfile": "FROM scratch\nCOPY Dockerfile /\nCMD [\"a\"]\n", "Dockerfile": "FROM base:1" + rest, "registry/Dockerfile": "FROM " + at.Host + "/app:1" + rest,
		"gone/Dockerfile": "FROM " + at.Host + "/gone:1" + rest, ".git/HEAD": "",
		"never/.slipway.yaml": "resolve: never\n", "never/Dockerfile": "FROM base:1" + rest,
		"always/.slipway.yaml": "resolve: always\n", "always/Dockerfile": "FROM base:1" + rest,
	})
	if code, told := slipway(t, "build", "--state", "state", "-t", "base:1", "base"); code != 0 {
		t.Fatalf("exit code %d, %s", code, told)
	}
	const found, missing = "[CmdLostByEntrypoint]", "![CmdLostByEntrypoint]"
	for _, tc := range []lintCase{
		{"--state state Dockerfile", 1, []string{found}, ""},
		{"--state state --resolve never Dockerfile", 0, []string{missing}, ""},
		{"--state state never", 0, []string{missing}, ""},
		{"--state state --resolve cached never", 1, []string{found}, ""},
		{"--state none Dockerfile", 0, []string{missing}, ""},
		{"--state state -v registry", 0, []string{missing}, "the config of " + at.Host + "/app:1 is unknown (the image is not stored; --resolve=always asks registries)"},
		{"--state other --resolve always registry", 1, []string{found}, ""},
		{"--state other --resolve always -v gone", 0, []string{missing}, "/gone:1 is unknown: "},
		{"--state state always", 2, nil, "want cached or never; --resolve=always asks registries"},
		{"--resolve alway Dockerfile", 2, nil, `--resolve: unknown mode "alway" (did you mean always?)`},
	} {
		tc.run(t)
	}
	if _, err := os.Stat("none"); err == nil {
		t.Error("the state directory was created")
	}
}

// pushWithCommand pushes an image with a CMD to a registry.
func pushWithCommand(t *testing.T, ref string) {
	t.Helper()
	img, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config = "linux", runtime.GOARCH, v1.Config{Cmd: []string{"a"}}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	tag, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
}
