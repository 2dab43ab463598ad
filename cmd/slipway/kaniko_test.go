package main

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/spf13/pflag"

	"slipway/internal/testcontext"
)

// kanikoNames lists the flags of kaniko's executor 1.24.0.
const kanikoNames = `bucket build-arg cache cache-copy-layers cache-dir cache-repo cache-run-layers cache-ttl
cleanup compressed-caching compression compression-level context context-sub-path custom-platform
customPlatform destination digest-file dockerfile force force-build-metadata git ignore-path
ignore-var-run image-download-retry image-fs-extract-retry image-name-tag-with-digest-file
image-name-with-digest-file insecure insecure-pull insecure-registry kaniko-dir label log-format
log-timestamp no-push no-push-cache oci-layout-path push-ignore-immutable-tag-errors push-retry
registry-certificate registry-client-cert registry-map registry-mirror reproducible single-snapshot
skip-default-registry-fallback skip-push-permission-check skip-tls-verify skip-tls-verify-pull
skip-tls-verify-registry skip-unused-stages snapshot-mode snapshotMode tar-path tarPath target
use-new-run verbosity whitelist-var-run`

// TestKanikoFlags checks that all flags of kaniko are declared, and that docs/kaniko.md lists them.
func TestKanikoFlags(t *testing.T) {
	var names []string
	var table strings.Builder
	table.WriteString("| flag of kaniko | | slipway |\n|---|---|---|\n")
	flags := kanikoFlags()
	slices.SortFunc(flags, func(a, b kanikoFlag) int {
		return strings.Compare(a.name, b.name)
	})
	for _, f := range flags {
		names = append(names, f.name)
		flag := "`--" + f.name + "`"
		if f.short != "" {
			flag += ", `-" + f.short + "`"
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", flag, f.effect, f.text)
	}
	if diff := cmp.Diff(strings.Fields(kanikoNames), names); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	page, err := os.ReadFile(filepath.Join(repositoryRoot(t), "docs/kaniko.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), table.String()) {
		t.Errorf("docs/kaniko.md lacks the table\n%s", table.String())
	}
	for _, name := range kanikoExtraFlags() {
		if !strings.Contains(string(page), "`--"+name+"`") {
			t.Errorf("docs/kaniko.md does not mention --%s", name)
		}
		if cmd := buildCommand(); cmd.Flags().Lookup(name) == nil {
			t.Errorf("slipway build has no --%s", name)
		}
	}
}

// convertKaniko converts a command line of kaniko. The environment has the given variables only.
func convertKaniko(t *testing.T, line string, env map[string]string) (*kanikoBuild, error) {
	t.Helper()
	k := &kanikoBuild{kanikoValues: kanikoValues{}, env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	fs := pflag.NewFlagSet("kaniko", pflag.ContinueOnError)
	k.define(fs)
	if err := fs.Parse(strings.Fields(line)); err != nil {
		return k, err
	}
	return k, k.convert()
}

// TestKanikoMapping checks to which flags of slipway build the flags of kaniko are converted.
func TestKanikoMapping(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("here", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	const push = "--output=type=image,push=true,name=r.example/aa:1"
	for _, tc := range []struct {
		line    string
		env     map[string]string
		want    string
		context string
	}{
		{line: "-d r.example/aa:1", want: "--file=/workspace/Dockerfile --no-cache=true " + push, context: "/workspace/"},
		{line: "-d r.example/aa:1 -c dir:///src -f sub/D --context-sub-path x", want: "--file=/src/x/sub/D --no-cache=true " + push, context: "/src/x"},
		{line: "-d r.example/aa:1 -c /src -f here", want: "--file=here --no-cache=true " + push, context: "/src"},
		{line: "-d r.example/aa:1 -c tar:///a.tar.gz", want: "--file=Dockerfile --no-cache=true " + push, context: "-"},
		{line: "-d r.example/aa:1 -c https://h/a.tar.gz", want: "--file=Dockerfile --no-cache=true " + push, context: "https://h/a.tar.gz"},
		{line: "-d r.example/aa:1 -c git://h/p --git branch=main --context-sub-path s", want: "--file=Dockerfile --no-cache=true " + push, context: "https://h/p.git#main:s"},
		{line: "-d r.example/aa:1 -c git://h/p.git#refs/heads/x#abc", want: "--secret=id=GIT_AUTH_TOKEN,env=GIT_TOKEN --file=Dockerfile --no-cache=true " + push, context: "http://h/p.git#abc", env: map[string]string{"GIT_PULL_METHOD": "http", "GIT_TOKEN": "t"}},
		{
			line: "--no-push --build-arg A=1 --build-arg B --build-arg C --label x=y --target s --custom-platform linux/arm64 -v error", env: map[string]string{"B": "2"},
			want: "--file=/workspace/Dockerfile --build-arg=A=1 --build-arg=B --build-arg=C= --label=x=y --target=s --platform=linux/arm64 --no-cache=true --output=type=cacheonly --progress=quiet", context: "/workspace/",
		},
		{line: "-d r.example/aa:1 --cache", want: "--file=/workspace/Dockerfile --cache-from=type=registry,ref=r.example/aa/cache --cache-to=type=registry,ref=r.example/aa/cache,mode=max,ignore-error=true " + push, context: "/workspace/"},
		{line: "-d r.example/aa:1 --cache=true --cache-repo o.example/cc --insecure-registry o.example --no-push-cache", want: "--file=/workspace/Dockerfile --mirror=o.example=http://o.example --cache-from=type=registry,ref=o.example/cc,registry.insecure=true " + push, context: "/workspace/"},
		{line: "--no-push --cache --cache-repo oci:/c", want: "--file=/workspace/Dockerfile --cache-to=type=local,dest=/c,mode=max,ignore-error=true --output=type=cacheonly", context: "/workspace/"},
		{
			line: "--no-push -d aa -d bb:2 --tar-path x.tar --oci-layout-path d --compression zstd --compression-level 3 --reproducible",
			want: `--file=/workspace/Dockerfile --build-arg=SOURCE_DATE_EPOCH=0 --no-cache=true --output=type=docker,dest=x.tar,"name=aa,bb:2",compression=zstd,compression-level=3,rewrite-timestamp=true --output=type=oci,tar=false,dest=d,compression=zstd,compression-level=3,rewrite-timestamp=true`, context: "/workspace/",
		},
		{line: "--no-push --tarPath x.tar", want: "--file=/workspace/Dockerfile --no-cache=true --output=type=docker,dest=x.tar,name=unset-repo/unset-image-name", context: "/workspace/"},
		{line: "-d r.example/aa:1 -d o.example/aa:1 --skip-tls-verify-registry o.example", want: "--file=/workspace/Dockerfile --no-cache=true " + push + " --output=type=image,push=true,registry.insecure=true,name=o.example/aa:1", context: "/workspace/"},
		{line: "-d r.example/aa:1 --insecure", want: "--file=/workspace/Dockerfile --no-cache=true --output=type=image,push=true,registry.insecure=true,name=r.example/aa:1", context: "/workspace/"},
		{
			line: "--registry-map index.docker.io=m;ghcr.io=n", env: map[string]string{"KANIKO_NO_PUSH": "1", "KANIKO_REGISTRY_MIRROR": "m", "KANIKO_REGISTRY_MAP": "q=o"},
			want: "--file=/workspace/Dockerfile --mirror=docker.io=m --mirror=ghcr.io=n --mirror=q=o --no-cache=true --output=type=cacheonly", context: "/workspace/",
		},
	} {
		k, err := convertKaniko(t, tc.line, tc.env)
		if err != nil {
			t.Errorf("%s: %v", tc.line, err)
			continue
		}
		if got := strings.Join(k.args, " "); got != tc.want || k.context != tc.context || len(k.warnings) > 0 {
			t.Errorf("%s:\n%s, context %s, warnings %q\nwant\n%s, context %s", tc.line, got, k.context, k.warnings, tc.want, tc.context)
		}
		build := pflag.NewFlagSet("build", pflag.ContinueOnError)
		f := &buildFlags{}
		f.define(build)
		if err := build.Parse(k.args); err != nil {
			t.Errorf("%s: slipway build: %v", tc.line, err)
		}
	}
}

// TestKanikoIgnored checks that each flag without effect causes one warning.
func TestKanikoIgnored(t *testing.T) {
	for _, f := range kanikoFlags() {
		if f.effect != kanikoIgnored {
			continue
		}
		value := "true"
		if f.value != "" {
			value = "1"
		}
		k, err := convertKaniko(t, "--no-push --"+f.name+"="+value, nil)
		if want := []string{"--" + f.name + " has no effect: " + f.text}; err != nil || !slices.Equal(k.warnings, want) {
			t.Errorf("--%s: %v, warnings %q, want %q", f.name, err, k.warnings, want)
		}
	}
	k, err := convertKaniko(t, "--no-push -c /src --context-sub-path x", nil)
	if err != nil || len(k.warnings) != 1 || k.context != "/src" {
		t.Errorf("--context-sub-path of a directory: %v, %q, context %s", err, k.warnings, k.context)
	}
}

// TestKanikoRefused checks the errors about flags that cannot be mapped.
func TestKanikoRefused(t *testing.T) {
	for _, f := range kanikoFlags() {
		if f.effect != kanikoRefused {
			continue
		}
		if _, err := convertKaniko(t, "--no-push --"+f.name+"=true", nil); err == nil || err.Error() != "--"+f.name+": "+f.text {
			t.Errorf("--%s: error %v", f.name, err)
		}
	}
	for _, tc := range []struct {
		line, want string
		env        map[string]string
	}{
		{line: "", want: "--destination: no image is named"},
		{line: "-d A", want: "--destination: "},
		{line: "--no-push -c gs://b/x", want: "--context gs://b/x: slipway reads no gs://"},
		{line: "--no-push -c tar://x --context-sub-path y", want: "--context-sub-path: an archive has no sub path"},
		{line: "--no-push -f https://h/D", want: "--dockerfile https://h/D: slipway reads no Dockerfile from a server"},
		{line: "--no-push -c git://h/p --git branch", want: "--git branch is not KEY=VALUE"},
		{line: "--no-push -c git://h/p --git insecure-skip-tls=true", want: "--git insecure-skip-tls: "},
		{line: "--no-push -c git://h/p", want: "GIT_PASSWORD: ", env: map[string]string{"GIT_PASSWORD": "x"}},
		{line: "--no-push --cache", want: "--cache: without a push there is no default"},
		{line: "--no-push --cache --cache-repo A", want: "--cache-repo: "},
		{line: "--no-push --cache-run-layers=false", want: "--cache-run-layers=false: "},
		{line: "--no-push --cache=maybe", want: `"maybe" is neither true nor false`},
		{line: "--no-push --registry-mirror a --registry-mirror b", want: "--registry-mirror: docker.io has the mirrors a and b"},
		{line: "--no-push --registry-map a", want: "--registry-map a is not HOST=MIRROR"},
		{line: "--no-push --skip-tls-verify-registry h", want: "--skip-tls-verify-registry h: "},
		{line: "--no-push --verbosity loud", want: `--verbosity: unknown level "loud"`},
		{line: "--no-push --digest-file https://h/x", want: "--digest-file: slipway does not upload"},
		{line: "--no-push --image-name-with-digest-file x", want: "--image-name-with-digest-file: no image is named"},
		{line: "-d a", want: `KANIKO_NO_PUSH: "x" is neither`, env: map[string]string{"KANIKO_NO_PUSH": "x"}},
	} {
		if _, err := convertKaniko(t, tc.line, tc.env); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", tc.line, err, tc.want)
		}
	}
}

// TestKaniko builds and pushes with slipway kaniko, and reads the files with the digest.
func TestKaniko(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	dir, out := testcontext.New(t, goodDockerfile), t.TempDir()
	state := []string{"kaniko", "--state", t.TempDir(), "--runner", "portable", "--progress", "quiet"}
	code, told := slipway(t, slices.Concat(state, []string{
		"--context", "dir://" + dir, "--destination", host + "/aa:1", "--destination", host + "/bb", "--cleanup", "--cache",
		"--digest-file", out + "/new/digest", "--image-name-with-digest-file", out + "/name", "--image-name-tag-with-digest-file", out + "/tag",
	})...)
	if code != 0 || !strings.HasPrefix(told, "warning: --cleanup has no effect: builds leave no files outside of the state directory\n") {
		t.Fatalf("exit code %d, %s", code, told)
	}
	ref, err := name.ParseReference(host + "/bb:latest")
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Head(ref)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"new/digest": image.Digest.String(),
		"name":       fmt.Sprintf("%s/aa@%s\n%s/bb@%s\n", host, image.Digest, host, image.Digest),
		"tag":        fmt.Sprintf("%s/aa:1@%s\n%s/bb:latest@%s\n", host, image.Digest, host, image.Digest),
	} {
		if data, err := os.ReadFile(filepath.Join(out, file)); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v, want %q", file, data, err, want)
		}
	}
	for args, want := range map[string]string{
		"--bucket b":         "slipway: --bucket: slipway reads no buckets",
		"--no-push x":        "slipway: kaniko takes flags only, not \"x\"",
		"--no-push --contxt": "unknown flag: --contxt (did you mean --context?)",
		"--no-push --context tar:///does/not/exist": "slipway: --context: ",
	} {
		if code, told := slipway(t, slices.Concat(state, strings.Fields(args))...); code != exitUsage || !strings.Contains(told, want) {
			t.Errorf("%s: exit code %d, %s\nwant %s", args, code, told, want)
		}
	}
}
