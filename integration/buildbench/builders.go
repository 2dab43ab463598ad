package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"

	"slipway/integration/programimage"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// builder is a build tool that buildbench measures.
type builder interface {
	name() string
	about(ctx context.Context) string
	state() string // directory that contains the tool's state
	// empty deletes the tool's state, so that the next build starts without cache.
	empty(ctx context.Context) error
	build(ctx context.Context, req request) (usage, error)
}

// request describes a build: its context, further inputs, and where the image is written.
type request struct {
	dir    string // build context, with a Dockerfile
	output string // output in addition to the builder's state: none, oci or push
	layout *layoutImage
	sink   string // address of the registry for the output push
	cold   bool   // whether the build may use no cache
}

func newBuilder(ctx context.Context, r *rig.Rig, name string) (builder, error) {
	dir, err := r.TempDir(filepath.Base(name))
	if err != nil {
		return nil, err
	}
	archive := filepath.Join(dir, "image.tar")
	switch name {
	case "slipway", "slipway-chroot":
		s, err := newSlipway(ctx, r, dir, archive)
		if err != nil {
			return nil, err
		}
		s.label, s.runner = name, cmp.Or(strings.TrimPrefix(strings.TrimPrefix(name, "slipway"), "-"), s.runner)
		return s, nil
	case "buildkitd":
		return newBuildkitd(r, archive), nil
	case "slipway-serve":
		return newServe(ctx, r, dir, archive)
	case "buildah":
		return newBuildah(ctx, r, dir, archive)
	case "kaniko":
		return newKaniko(ctx, r, dir)
	}
	if filepath.IsAbs(name) {
		return &slipway{label: filepath.Base(name), runner: "namespace", program: name, dir: filepath.Join(dir, "state"), registry: r.Addr, archive: archive}, nil
	}
	return nil, fmt.Errorf("unknown builder %q (use slipway, slipway-chroot, slipway-serve, buildkitd, buildah, kaniko or the absolute path of a slipway program)", name)
}

// slipway measures the command slipway build.
type slipway struct{ label, runner, program, dir, registry, archive string }

// newSlipway compiles slipway from this repository into the directory dir. With -output oci,
// builds write the image to the path archive.
func newSlipway(ctx context.Context, r *rig.Rig, dir, archive string) (*slipway, error) {
	root, err := toolbox.Root()
	if err != nil {
		return nil, err
	}
	s := &slipway{label: "slipway", runner: "namespace", program: filepath.Join(dir, "slipway"), dir: filepath.Join(dir, "state"), registry: r.Addr, archive: archive}
	args := append([]string{"build"}, programimage.BuildFlags()...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", s.program, "./cmd/slipway")...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compile slipway: %w", err)
	}
	return s, nil
}

func (s *slipway) name() string { return s.label }

func (s *slipway) about(context.Context) string { return "slipway build, " + s.runner + " runner" }

func (s *slipway) state() string { return s.dir }

func (s *slipway) empty(context.Context) error { return os.RemoveAll(s.dir) }

func (s *slipway) build(ctx context.Context, req request) (usage, error) {
	args := []string{s.program, "build", "--state", s.dir, "--runner", s.runner, "--progress", "plain", "--mirror", "docker.io=" + s.registry}
	switch req.output {
	case "oci":
		args = append(args, "--output", "type=oci,dest="+s.archive)
	case "push":
		args = append(args, "--output", "type=image,push=true,name="+req.sink+"/bench:1")
	}
	if req.layout != nil {
		args = append(args, "--build-context", largeImage+"=oci-layout://"+req.layout.dir)
	}
	return measureProgram(ctx, req.dir, nil, append(args, ".")...)
}

// buildctl measures the command buildctl with a running builder.
type buildctl struct {
	label   string
	builder string // description of the builder
	program string // path of buildctl
	daemon  *rig.Daemon
	dir     string // state directory of the builder
	archive string
}

// newBuildkitd returns a builder that measures the BuildKit daemon of package rig.
func newBuildkitd(r *rig.Rig, archive string) *buildctl {
	return &buildctl{
		label: "buildkitd", builder: "buildkitd %s, dockerfile.v0 built in, OCI worker, overlay",
		program: r.Buildctl, daemon: r.Daemon, dir: filepath.Join(r.Daemon.Dir, "buildkit"), archive: archive,
	}
}

// newServe compiles slipway into the directory dir and returns a builder that measures slipway
// serve.
func newServe(ctx context.Context, r *rig.Rig, dir, archive string) (*buildctl, error) {
	s, err := newSlipway(ctx, r, dir, archive)
	if err != nil {
		return nil, err
	}
	d, err := r.StartProgram(ctx, s.program, "--runner", "namespace")
	if err != nil {
		return nil, err
	}
	return &buildctl{
		label: "slipway-serve", builder: "slipway serve %s, namespace runner",
		program: r.Buildctl, daemon: d, dir: d.StateDir(), archive: archive,
	}, nil
}

func (b *buildctl) name() string { return b.label }

func (b *buildctl) about(ctx context.Context) string {
	info, err := b.daemon.Client.Info(ctx)
	if err != nil {
		return err.Error()
	}
	return "buildctl with a running " + fmt.Sprintf(b.builder, info.BuildkitVersion.Version)
}

func (b *buildctl) state() string { return b.dir }

func (b *buildctl) empty(ctx context.Context) error {
	return b.daemon.Client.Prune(ctx, nil, client.PruneAll)
}

func (b *buildctl) build(ctx context.Context, req request) (usage, error) {
	proc := "/proc/" + strconv.Itoa(b.daemon.PID())
	if err := os.WriteFile(proc+"/clear_refs", []byte("5"), 0); err != nil { // writing 5 resets VmHWM, the peak memory (proc(5))
		return usage{}, err
	}
	before, err := memoryOf(proc, "VmRSS:")
	if err != nil {
		return usage{}, err
	}
	args := []string{
		b.program, "--addr", b.daemon.Socket, "build", "--progress", "plain",
		"--frontend", "dockerfile.v0", "--local", "context=.", "--local", "dockerfile=.",
	}
	switch req.output {
	case "oci":
		args = append(args, "--output", "type=oci,dest="+b.archive)
	case "push":
		args = append(args, "--output", "type=image,push=true,registry.insecure=true,name="+req.sink+"/bench:1")
	}
	if req.layout != nil {
		args = append(args, "--oci-layout", "layout="+req.layout.dir, "--opt", "context:"+largeImage+"=oci-layout://layout@"+req.layout.digest)
	}
	u, err := measureProgram(ctx, req.dir, nil, args...)
	if err != nil {
		return u, err
	}
	peak, err := memoryOf(proc, "VmHWM:")
	u.growth = u.memory + peak - before
	u.memory += peak
	return u, err
}

// memoryOf returns a memory size of a process in bytes. The parameter proc is the process's
// directory in /proc, and field is the name of the size in the file status.
func memoryOf(proc, field string) (int64, error) {
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), field)
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0, fmt.Errorf("%s of the builder: %w", field, err)
	}
	return kb << 10, nil
}

// buildah measures Debian's buildah.
type buildah struct{ dir, config, archive string }

func newBuildah(ctx context.Context, r *rig.Rig, dir, archive string) (*buildah, error) {
	if err := rig.EnsurePackages(ctx, os.Stderr, "buildah"); err != nil {
		return nil, err
	}
	b := &buildah{dir: filepath.Join(dir, "storage"), config: dir, archive: archive}
	return b, errors.Join(
		write(dir, "registries.conf", fmt.Sprintf("unqualified-search-registries = [\"docker.io\"]\n[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = %q\ninsecure = true\n", r.Addr)),
		write(dir, "policy.json", `{"default": [{"type": "insecureAcceptAnything"}]}`),
	)
}

func (b *buildah) name() string { return "buildah" }

func (b *buildah) about(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "buildah", "--version").Output()
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(out)) + ", overlay, isolation chroot, layers kept"
}

func (b *buildah) state() string { return b.dir }

// empty removes buildah's images and containers by removing their files. The command buildah
// rmi would take seconds per layer.
func (b *buildah) empty(context.Context) error {
	err := unix.Unmount(filepath.Join(b.dir, "root/overlay"), unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return os.RemoveAll(b.dir)
}

func (b *buildah) build(ctx context.Context, req request) (usage, error) {
	store := []string{"--root", filepath.Join(b.dir, "root"), "--runroot", filepath.Join(b.dir, "run"), "--storage-driver", "overlay"}
	env := []string{"CONTAINERS_REGISTRIES_CONF=" + filepath.Join(b.config, "registries.conf"), "BUILDAH_ISOLATION=chroot"}
	policy := filepath.Join(b.config, "policy.json")
	args := append([]string{"buildah"}, store...)
	args = append(args, "bud", "--signature-policy", policy, "--layers", "--jobs", strconv.Itoa(runtime.NumCPU()), "--network", "host", "-t", "bench", ".")
	u, err := measureProgram(ctx, req.dir, env, args...)
	if err != nil || req.output == "none" {
		return u, err
	}
	if err := os.RemoveAll(b.archive); err != nil {
		return u, err
	}
	dest := "oci-archive:" + b.archive
	if req.output == "push" {
		dest = "docker://" + req.sink + "/bench:1"
	}
	args = append([]string{"buildah"}, store...)
	v, err := measureProgram(ctx, req.dir, env, append(args, "push", "--tls-verify=false", "--signature-policy", policy, "bench", dest)...)
	return usage{time: u.time + v.time, memory: max(u.memory, v.memory)}, err
}
