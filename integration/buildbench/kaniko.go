package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"slipway/integration/rig"
)

// kanikoVersion is the last release of kaniko, which is not developed any more.
const kanikoVersion = "v1.24.0"

// kaniko measures kaniko's executor. kaniko unpacks base images over the root of the container in
// which it runs, so each build gets an empty root directory. Its layers are cached in the registry
// of package rig.
type kaniko struct{ program, root, registry string }

// newKaniko compiles kaniko from its module into the directory dir.
func newKaniko(ctx context.Context, r *rig.Rig, dir string) (*kaniko, error) {
	cmd := exec.CommandContext(ctx, "go", "install", "github.com/GoogleContainerTools/kaniko/cmd/executor@"+kanikoVersion)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+dir)
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compile kaniko: %w", err)
	}
	return &kaniko{program: filepath.Join(dir, "executor"), root: filepath.Join(dir, "root"), registry: r.Addr}, nil
}

func (k *kaniko) name() string { return "kaniko" }

func (k *kaniko) about(context.Context) string {
	return "kaniko " + kanikoVersion + " in a changed root directory, cache in a registry"
}

func (k *kaniko) state() string { return k.root }

// empty does nothing, because build makes a new root directory. Cases without a cache do not use
// the registry.
func (k *kaniko) empty(context.Context) error { return nil }

func (k *kaniko) build(ctx context.Context, req request) (usage, error) {
	if req.output == "oci" || req.layout != nil {
		return usage{}, errors.New("kaniko: not supported")
	}
	if err := k.prepare(); err != nil {
		return usage{}, err
	}
	args := []string{
		"/kaniko/executor", "--force", "--context", "dir:///workspace", "--dockerfile", "/workspace/Dockerfile",
		"--registry-mirror", k.registry, "--insecure-registry", k.registry, "--skip-default-registry-fallback",
		"--insecure", "--insecure-pull",
	}
	if req.output == "push" {
		args = append(args, "--destination", req.sink+"/bench:1")
	} else {
		args = append(args, "--no-push")
	}
	if !req.cold {
		args = append(args, "--cache", "--cache-copy-layers", "--cache-repo", k.registry+"/kaniko")
	}
	// The process has a mount namespace of its own, see measureProgram. kaniko removes the files of a
	// stage, so that the context is read-only.
	const script = `set -e
mount --bind "$1" "$2/workspace"; mount -o remount,ro,bind "$2/workspace"; mount -t proc proc "$2/proc"
root=$2; shift 2
exec chroot "$root" "$@"`
	return measureProgram(ctx, req.dir, nil, append([]string{"sh", "-c", script, "sh", req.dir, k.root}, args...)...)
}

// prepare makes a root directory that contains only the program and devices.
func (k *kaniko) prepare() error {
	if err := os.RemoveAll(k.root); err != nil {
		return err
	}
	for _, name := range strings.Fields("kaniko workspace proc dev etc tmp") {
		if err := os.MkdirAll(filepath.Join(k.root, name), 0o755); err != nil {
			return err
		}
	}
	for minor, name := range map[int]string{3: "null", 5: "zero", 8: "random", 9: "urandom"} {
		device := filepath.Join(k.root, "dev", name)
		if err := errors.Join(unix.Mknod(device, unix.S_IFCHR, int(unix.Mkdev(1, uint32(minor)))), os.Chmod(device, 0o666)); err != nil {
			return err
		}
	}
	data, err := os.ReadFile("/etc/resolv.conf")
	return errors.Join(err,
		os.WriteFile(filepath.Join(k.root, "etc/resolv.conf"), data, 0o644),
		os.Link(k.program, filepath.Join(k.root, "kaniko/executor")))
}
