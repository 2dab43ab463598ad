package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	kanikotests "slipway/integration/kaniko"
	"slipway/integration/rig"
)

// kaniko measures kaniko's executor. kaniko unpacks base images over the root of the container in
// which it runs, so each build gets an empty root directory. Its layers are cached in the registry
// of package rig.
type kaniko struct{ program, root, registry string }

// newKaniko compiles the source of kaniko in the module cache into the directory dir. Its go.mod is
// copied, because the go command completes it.
func newKaniko(ctx context.Context, r *rig.Rig, dir string) (*kaniko, error) {
	source, err := kanikotests.Source(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o644)
		}
		if err != nil {
			return nil, err
		}
	}
	k := &kaniko{program: filepath.Join(dir, "executor"), root: filepath.Join(dir, "root"), registry: r.Addr}
	cmd := exec.CommandContext(ctx, "go", "build", "-C", source, "-trimpath", "-mod=mod", "-modfile", filepath.Join(dir, "go.mod"), "-o", k.program, "./cmd/executor")
	cmd.Env, cmd.Stderr = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="), os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compile kaniko: %w", err)
	}
	return k, nil
}

func (k *kaniko) name() string { return "kaniko" }

func (k *kaniko) about(context.Context) string {
	return "kaniko, last release, in a changed root directory, cache in a registry"
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
	// The process has a mount namespace of its own, see measureProgram. kaniko removes all files of a
	// stage that are not in a mount, so that the context is read-only, and /dev is a mount.
	const script = `set -e
mount --bind "$1" "$2/workspace"; mount -o remount,ro,bind "$2/workspace"; mount -t proc proc "$2/proc"; mount -t tmpfs dev "$2/dev"
mknod "$2/dev/null" c 1 3; mknod "$2/dev/zero" c 1 5; mknod "$2/dev/random" c 1 8; mknod "$2/dev/urandom" c 1 9
mount --bind "$3" "$2/kaniko/executor"
root=$2; shift 3
exec chroot "$root" "$@"`
	return measureProgram(ctx, req.dir, nil, append([]string{"sh", "-c", script, "sh", req.dir, k.root, k.program}, args...)...)
}

// prepare makes a root directory without files, but with those on which build mounts others.
func (k *kaniko) prepare() error {
	if err := os.RemoveAll(k.root); err != nil {
		return err
	}
	for _, name := range strings.Fields("kaniko workspace proc dev etc tmp") {
		if err := os.MkdirAll(filepath.Join(k.root, name), 0o755); err != nil {
			return err
		}
	}
	data, err := os.ReadFile("/etc/resolv.conf")
	return errors.Join(err,
		os.WriteFile(filepath.Join(k.root, "etc/resolv.conf"), data, 0o644),
		os.WriteFile(filepath.Join(k.root, "kaniko/executor"), nil, 0o755))
}
