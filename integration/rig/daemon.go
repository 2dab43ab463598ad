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
	"slipway/integration/toolbox"
)

const (
	daemonStart = 60 * time.Second // time until it responds
	daemonGrace = 10 * time.Second // time until it is killed
	pollEvery   = 50 * time.Millisecond
)

// config is buildkitd.toml. Builds use the host's network, because other
// networks need plugins that these tests do not cover.
const config = `
root = %[1]q
insecure-entitlements = ["network.host", "security.insecure"]

# By default all builders of a machine want the same socket.
[otel]
  socketPath = %[4]q

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

// A Daemon is a running buildkitd with its own state.
type Daemon struct {
	Dir    string         // directory of its state and of builds
	Socket string         // unix:///path
	Client *client.Client // connected to it
	// Certificates is the file with the authorities that buildkitd trusts.
	// buildkitd reads it at the first TLS connection; until then a test may
	// write it.
	Certificates string

	process *contained.Process
}

// StartDaemon starts an additional builder from the program that package
// toolbox calls tool: buildkitd, or an older version. It shares only the
// registry with other builders, and is stopped with the rig.
func (r *Rig) StartDaemon(ctx context.Context, tool string) (*Daemon, error) {
	buildkitd, err := toolbox.Path(ctx, r.log, tool)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(r.Dir, "d") // short: sockets below it may have 108 bytes in their path
	if err != nil {
		return nil, err
	}
	d := &Daemon{Dir: dir, Socket: "unix://" + filepath.Join(dir, "buildkitd.sock"), Certificates: filepath.Join(dir, "ca.pem")}
	r.mu.Lock()
	r.stops = append(r.stops, d.Close)
	r.mu.Unlock()
	if err := d.start(ctx, buildkitd, r.Addr); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, d.DaemonLog(2000))
	}
	fmt.Fprintf(r.log, "%s at %s\n", tool, d.Socket)
	return d, nil
}

// start starts the program and connects to it.
func (d *Daemon) start(ctx context.Context, buildkitd, registry string) error {
	tmp, toml, logFile := filepath.Join(d.Dir, "tmp"), filepath.Join(d.Dir, "buildkitd.toml"), filepath.Join(d.Dir, "buildkitd.log")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	content := fmt.Sprintf(config, filepath.Join(d.Dir, "buildkit"), registry, Registry, filepath.Join(d.Dir, "otel.sock"))
	if err := os.WriteFile(toml, []byte(content), 0o600); err != nil {
		return err
	}
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(buildkitd, "--config", toml, "--addr", d.Socket)
	// Use a separate environment without the user's trace exporters and
	// proxies.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.Dir, "TMPDIR=" + tmp, "SSL_CERT_FILE=" + d.Certificates}
	cmd.Stdout, cmd.Stderr = log, log
	if d.process, err = contained.Start(cmd); err != nil {
		return fmt.Errorf("start buildkitd: %w", err)
	}
	if d.Client, err = client.New(ctx, d.Socket); err != nil {
		return fmt.Errorf("connect to buildkitd: %w", err)
	}
	return d.await(ctx)
}

func (d *Daemon) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, daemonStart)
	defer cancel()
	for {
		_, err := d.Client.ListWorkers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-d.process.Done():
			return fmt.Errorf("buildkitd ended: %w", d.process.Wait(ctx, 0))
		case <-ctx.Done():
			return fmt.Errorf("buildkitd does not answer: %w", err)
		case <-time.After(pollEvery):
		}
	}
}

// PID returns the process id of buildkitd in the caller's namespace.
func (d *Daemon) PID() int { return d.process.PID() }

// Close stops the builder. It may be called repeatedly.
func (d *Daemon) Close() error {
	var err error
	if d.Client != nil {
		err = d.Client.Close()
		d.Client = nil
	}
	if d.process != nil {
		d.process.Stop(daemonGrace)
	}
	return err
}

// DaemonLog returns the last n bytes of buildkitd's log, which includes the
// standard error of frontends.
func (d *Daemon) DaemonLog(n int) []byte {
	b, err := os.ReadFile(filepath.Join(d.Dir, "buildkitd.log"))
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(b[max(0, len(b)-n):])
}
