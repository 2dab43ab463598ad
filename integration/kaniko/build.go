package kaniko

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"slipway/integration/rig"
)

// module is the source of kaniko, at the version whose flags slipway kaniko has.
const module = "github.com/GoogleContainerTools/kaniko@v1.24.0"

// A Build is a Dockerfile of kaniko's integration tests with its options.
type Build struct {
	Name    string
	Request rig.Request       // the build as BuildKit runs it
	Flags   []string          // flags of kaniko's executor, except for the Dockerfile, the context and outputs
	Env     map[string]string // environment variables
	Skip    string            // why it cannot run; "" if it can
}

// Source returns the directory with the source of kaniko. The go command downloads it if needed.
func Source(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = os.TempDir() // not a directory of a module, whose go.mod lacks kaniko
	out, err := cmd.Output()
	var got struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &got); err == nil {
		err = jsonErr
	}
	if err != nil || got.Error != "" {
		return "", fmt.Errorf("go mod download %s: %w %s", module, err, got.Error)
	}
	return got.Dir, nil
}

// Builds returns the builds of kaniko's integration tests, sorted by name. The parameter source is the
// directory that [Source] returns.
func Builds(source string) ([]Build, error) {
	tests := filepath.Join(source, "integration")
	files, err := filepath.Glob(filepath.Join(tests, "dockerfiles", "*"))
	if err != nil {
		return nil, err
	}
	inContext, err := filepath.Glob(filepath.Join(tests, "dockerfiles-with-context", "*", "Dockerfile"))
	if err != nil {
		return nil, err
	}
	var list []Build
	for _, file := range files {
		if strings.HasSuffix(file, ".dockerignore") {
			continue
		}
		dir := tests
		switch filepath.Base(file) {
		case "Dockerfile_git_buildcontext":
			dir = source
		case "Dockerfile_relative_copy":
			dir = filepath.Join(tests, "context")
		}
		b, err := newBuild(file, filepath.Base(file), dir)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	for _, file := range inContext {
		dir := filepath.Dir(file)
		b, err := newBuild(file, filepath.Base(dir), dir)
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	if len(list) == 0 {
		return nil, errors.New("kaniko has no Dockerfiles in " + tests)
	}
	slices.SortFunc(list, func(a, b Build) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// pinned matches the digest in a reference to an image.
var pinned = regexp.MustCompile(`@sha256:[0-9a-f]{64}`)

// onbuildBase is an image that kaniko's tests build and push first. Here, it is a stage.
const onbuildBase = "gcr.io/kaniko-test/onbuild-base:latest"

// newBuild returns the build of a Dockerfile in the directory dir.
func newBuild(file, name, dir string) (Build, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Build{}, err
	}
	text := pinned.ReplaceAllString(string(data), "")
	if strings.Contains(text, onbuildBase) {
		base, err := os.ReadFile(filepath.Join(filepath.Dir(file), "Dockerfile_onbuild_base"))
		if err != nil {
			return Build{}, err
		}
		from, rest, _ := strings.Cut(string(base), "\n")
		text = from + " AS onbuild-base\n" + rest + "\n" + strings.ReplaceAll(text, onbuildBase, "onbuild-base")
	}
	b := Build{Name: name, Skip: skipped()[name], Env: environment()[name]}
	text = strings.ReplaceAll(text, "gcr.io/distroless/base:latest", "busybox")
	b.Request = rig.Request{Dockerfile: text, Context: dir, Attrs: map[string]string{"no-cache": ""}}
	ignore, err := os.ReadFile(file + ".dockerignore")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Build{}, err
	}
	b.Request.Ignore = string(ignore)
	b.Flags = slices.Clone(flags()[name])
	for _, arg := range buildArgs()[name] {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			value = b.Env[key]
		}
		b.Request.Attrs["build-arg:"+key] = value
		b.Flags = append(b.Flags, "--build-arg", arg)
	}
	if target, ok := strings.CutPrefix(strings.Join(b.Flags, " "), "--target="); ok {
		b.Request.Attrs["target"] = target
	}
	return b, nil
}

// Tags returns the names of the images to which the Dockerfiles refer, by the image that replaces them.
func Tags() (debian, busybox, alpine []string) {
	debian = []string{
		"library/debian:9.11", "library/debian:10.2", "library/debian:10.13", "library/debian:12", "library/debian:latest",
		"library/debian:bullseye-slim", "library/ubuntu:latest", "library/ubuntu:18.04", "library/fedora:latest", "library/rabbitmq:latest",
		"phusion/baseimage:0.11", "google/cloud-sdk:256.0.0-alpine",
	}
	busybox = []string{"library/busybox:1.31"}
	alpine = []string{"library/alpine:3.8", "library/alpine:3.9", "library/alpine:3.11"}
	return debian, busybox, alpine
}

// skipped returns the reasons why Dockerfiles cannot run, by name.
func skipped() map[string]string {
	const network, base = "needs files from the internet", "is about the files of its base image"
	const stage, volume = "has a name of a stage that BuildKit refuses", "writes to a VOLUME, for which BuildKit creates no directory"
	return map[string]string{
		"Dockerfile_hardlink_base":                network,
		"Dockerfile_test_add":                     network,
		"Dockerfile_test_add_404":                 network,
		"Dockerfile_test_add_url_with_arg":        network,
		"Dockerfile_test_cache_install":           network,
		"Dockerfile_test_cache_install_oci":       network,
		"Dockerfile_test_extraction":              base,
		"Dockerfile_test_from_multistage_capital": stage,
		"Dockerfile_test_hardlink":                base,
		"Dockerfile_test_issue_1039":              network,
		"Dockerfile_test_issue_1837":              network,
		"Dockerfile_test_issue_2049":              network,
		"Dockerfile_test_issue_2066":              network,
		"Dockerfile_test_issue_519":               stage,
		"Dockerfile_test_issue_684":               network,
		"Dockerfile_test_parent_dir_perms":        network,
		"Dockerfile_test_replaced_hardlinks":      base,
		"Dockerfile_test_volume_2":                volume,
		"issue-1020":                              network,
		"issue-57":                                network,
	}
}

// buildArgs returns the build arguments of Dockerfiles, by name, as kaniko's tests set them.
func buildArgs() map[string][]string {
	return map[string][]string{
		"Dockerfile_test_arg_secret": {"SSH_PRIVATE_KEY", "SSH_PUBLIC_KEY=Pµbl1cK€Y"},
		"Dockerfile_test_multistage": {"file=/foo2"},
		"Dockerfile_test_onbuild":    {"file=/tmp/onbuild"},
		"Dockerfile_test_run":        {"file=/file"},
		"Dockerfile_test_run_new":    {"file=/file"},
		"Dockerfile_test_run_redo":   {"file=/file"},
		"Dockerfile_test_scratch":    {"image=scratch", "hello=hello-value", "file=context/foo", "file3=context/b*"},
		"Dockerfile_test_workdir":    {"workdir=/arg/workdir"},
	}
}

// environment returns the environment variables of builds, by name of the Dockerfile.
func environment() map[string]map[string]string {
	return map[string]map[string]string{"Dockerfile_test_arg_secret": {"SSH_PRIVATE_KEY": "ThEPriv4t3Key"}}
}

// flags returns further flags of kaniko with which its tests build a Dockerfile, by name.
func flags() map[string][]string {
	return map[string][]string{
		"Dockerfile_test_maintainer":             {"--single-snapshot"},
		"Dockerfile_test_run_new":                {"--use-new-run=true"},
		"Dockerfile_test_run_redo":               {"--snapshot-mode=redo"},
		"Dockerfile_test_scratch":                {"--single-snapshot"},
		"Dockerfile_test_snapshotter_ignorelist": {"--use-new-run=true", "-v=trace"},
		"Dockerfile_test_target":                 {"--target=second"},
	}
}
