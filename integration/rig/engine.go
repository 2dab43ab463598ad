package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"slipway/integration/contained"
)

// An Engine is a running Docker Engine from the Linux distribution, with its own state. It
// accesses the rig's registry as docker.io and as Rig.Addr, but not as Registry.
type Engine struct {
	Dir    string // directory of the engine's state
	Socket string // address in the form unix:///path

	process *contained.Process
}

// StartEngine starts Docker Engine. It installs missing packages. Rig.Close stops the engine.
// Containers can use only the host network, so docker build needs --network host.
func (r *Rig) StartEngine(ctx context.Context) (*Engine, error) {
	if err := EnsurePackages(ctx, r.log, "docker.io"); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(r.Dir, "e")
	if err != nil {
		return nil, err
	}
	e := &Engine{Dir: dir, Socket: "unix://" + filepath.Join(dir, "docker.sock")}
	log, err := os.Create(filepath.Join(dir, "dockerd.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("dockerd", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--host", e.Socket, "--iptables=false", "--bridge=none")
	if r.Addr != "" {
		cmd.Args = append(cmd.Args, "--registry-mirror", "http://"+r.Addr)
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.Stdout, cmd.Stderr = log, log
	if e.process, err = contained.Start(cmd); err != nil {
		return nil, fmt.Errorf("start dockerd: %w", err)
	}
	r.mu.Lock()
	r.stops = append(r.stops, func() error { e.process.Stop(daemonGrace); return nil })
	r.mu.Unlock()
	if err := await(ctx, "dockerd", e.process, func(ctx context.Context) error { return e.Docker(ctx, e.Dir, "version").Run() }); err != nil {
		b, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w\n%s", err, b)
	}
	fmt.Fprintf(r.log, "dockerd at %s\n", e.Socket)
	return e, nil
}

// Docker returns a docker command that runs in dir and connects to the engine e. It uses
// BuildKit for builds.
func (e *Engine) Docker(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, Docker, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + e.Dir, "DOCKER_HOST=" + e.Socket, "DOCKER_BUILDKIT=1"}
	return cmd
}
