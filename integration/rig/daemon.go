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
	daemonStart = 60 * time.Second // maximum time until buildkitd responds
	daemonGrace = 10 * time.Second // time between SIGTERM and SIGKILL
	pollEvery   = 50 * time.Millisecond
)

// config is the text of buildkitd.toml for all builders. Steps use the host network, because
// other networks need CNI plugins.
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

// A Daemon is a running buildkitd with its own state directory. Safe for concurrent use.
type Daemon struct {
	Dir    string         // directory of the daemon's state and of temporary files of builds
	Socket string         // address in the form unix:///path
	Client *client.Client // client that is connected to Socket
	// Certificates is the path of the PEM file with the certificate authorities that buildkitd
	// trusts. buildkitd reads the file at its first TLS connection, so a test may write the file
	// before this connection.
	Certificates string

	process *contained.Process
}

// StartDaemon starts an additional builder, which shares only the registry with other
// builders. The parameter tool is the name of the builder's program in package toolbox:
// buildkitd, or an older version. Rig.Close stops the builder.
func (r *Rig) StartDaemon(ctx context.Context, tool string) (*Daemon, error) {
	buildkitd, err := toolbox.Path(ctx, r.log, tool)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(r.states, "d") // The name is short because the path of a unix socket is limited to 108 bytes.
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

// start starts buildkitd and connects the field Client to it. The parameter registry is the
// host:port of the registry that serves docker.io.
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
	// Omit the user's proxies and trace exporters.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.Dir, "TMPDIR=" + tmp, "SSL_CERT_FILE=" + d.Certificates}
	cmd.Stdout, cmd.Stderr = log, log
	if d.process, err = contained.Start(cmd); err != nil {
		return fmt.Errorf("start buildkitd: %w", err)
	}
	if d.Client, err = client.New(ctx, d.Socket); err != nil {
		return fmt.Errorf("connect to buildkitd: %w", err)
	}
	return await(ctx, "buildkitd", d.process, func(ctx context.Context) error {
		_, err := d.Client.ListWorkers(ctx)
		return err
	})
}

// await waits until the function ready returns nil, for at most daemonStart. If this time has
// passed or the process of the daemon has ended, it returns an error.
func await(ctx context.Context, daemon string, process *contained.Process, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, daemonStart)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-process.Done():
			return fmt.Errorf("%s exited: %w", daemon, process.Wait(ctx, 0))
		case <-ctx.Done():
			return fmt.Errorf("%s does not respond: %w", daemon, err)
		case <-time.After(pollEvery):
		}
	}
}

// PID returns the process id of buildkitd, in the PID namespace of the caller.
func (d *Daemon) PID() int { return d.process.PID() }

// Close stops the daemon. Later calls do nothing.
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

// DaemonLog returns the last n bytes of buildkitd's log. The log includes the standard error
// of frontends.
func (d *Daemon) DaemonLog(n int) []byte {
	b, err := os.ReadFile(filepath.Join(d.Dir, "buildkitd.log"))
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(b[max(0, len(b)-n):])
}
