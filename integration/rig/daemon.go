package rig

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/moby/buildkit/client"

	"slipway/integration/contained"
)

const (
	daemonStart = 60 * time.Second // until it answers
	daemonGrace = 10 * time.Second // until it is killed
	pollEvery   = 50 * time.Millisecond
)

// config is buildkitd.toml. Builds have the host's network, because setting up
// another needs plugins that no test here is about.
const config = `
root = %[1]q
insecure-entitlements = ["network.host", "security.insecure"]

[worker.oci]
  enabled = true
  networkMode = "host"
  gc = false
[worker.containerd]
  enabled = false

[registry."docker.io"]
  mirrors = [%[2]q]
[registry.%[3]q]
  mirrors = [%[2]q]
[registry.%[2]q]
  http = true
`

// startDaemon starts buildkitd and connects to it.
func (r *Rig) startDaemon(ctx context.Context, buildkitd string) error {
	r.Socket = "unix://" + filepath.Join(r.Dir, "buildkitd.sock")
	tmp, toml, logFile := filepath.Join(r.Dir, "tmp"), filepath.Join(r.Dir, "buildkitd.toml"), filepath.Join(r.Dir, "buildkitd.log")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	content := fmt.Sprintf(config, filepath.Join(r.Dir, "buildkit"), r.Addr, Registry)
	if err := os.WriteFile(toml, []byte(content), 0o600); err != nil {
		return err
	}
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(buildkitd, "--config", toml, "--addr", r.Socket)
	// A client of its own, not the user's: no trace exporters, no proxies.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.Dir, "TMPDIR=" + tmp}
	cmd.Stdout, cmd.Stderr = log, log
	if r.daemon, err = contained.Start(cmd); err != nil {
		return fmt.Errorf("start buildkitd: %w", err)
	}
	if r.Client, err = client.New(ctx, r.Socket); err != nil {
		return fmt.Errorf("connect to buildkitd: %w", err)
	}
	if err := r.awaitDaemon(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, r.DaemonLog(2000))
	}
	return nil
}

func (r *Rig) awaitDaemon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, daemonStart)
	defer cancel()
	for {
		_, err := r.Client.ListWorkers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-r.daemon.Done():
			return fmt.Errorf("buildkitd ended: %w", r.daemon.Wait(ctx, 0))
		case <-ctx.Done():
			return fmt.Errorf("buildkitd does not answer: %w", err)
		case <-time.After(pollEvery):
		}
	}
}

// DaemonLog returns the last n bytes of what buildkitd has logged, which
// includes what frontends write to standard error.
func (r *Rig) DaemonLog(n int) []byte {
	b, err := os.ReadFile(filepath.Join(r.Dir, "buildkitd.log"))
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(b[max(0, len(b)-n):])
}
