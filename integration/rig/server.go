package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/moby/buildkit/client"

	"slipway/integration/contained"
	"slipway/integration/toolbox"
)

// StartServer compiles slipway and starts slipway serve with the given further flags. It has the
// entitlements and registries of a builder that [Rig.StartDaemon] starts. Rig.Close stops it.
func (r *Rig) StartServer(ctx context.Context, flags ...string) (*Daemon, error) {
	dir, err := os.MkdirTemp(r.Dir, "s") // The name is short because the path of a unix socket is limited to 108 bytes.
	if err != nil {
		return nil, err
	}
	program, err := CompileSlipway(ctx, dir)
	if err != nil {
		return nil, err
	}
	return r.startServer(ctx, dir, program, flags)
}

// StartProgram is like StartServer, but starts a slipway that is already compiled. The parameter
// program is its path.
func (r *Rig) StartProgram(ctx context.Context, program string, flags ...string) (*Daemon, error) {
	dir, err := os.MkdirTemp(r.Dir, "s") // The name is short because the path of a unix socket is limited to 108 bytes.
	if err != nil {
		return nil, err
	}
	return r.startServer(ctx, dir, program, flags)
}

// startServer starts the slipway serve of a program, with a state directory in dir.
func (r *Rig) startServer(ctx context.Context, dir, program string, flags []string) (*Daemon, error) {
	d := &Daemon{Dir: dir, Socket: "unix://" + filepath.Join(dir, "slipway.sock"), Certificates: filepath.Join(dir, "ca.pem")}
	r.mu.Lock()
	r.stops = append(r.stops, d.Close)
	r.mu.Unlock()
	args := append([]string{
		"serve", "--addr", d.Socket, "--state", d.StateDir(), "--keep-storage", "unlimited",
		"--allow-insecure-entitlement", "network.host,security.insecure",
		"--mirror", "docker.io=http://" + r.Addr, "--mirror", Registry + "=http://" + r.Addr,
	}, flags...)
	if err := d.serve(ctx, program, args); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, d.DaemonLog(2000))
	}
	fmt.Fprintf(r.log, "slipway serve at %s\n", d.Socket)
	return d, nil
}

// StateDir returns the state directory of a slipway serve.
func (d *Daemon) StateDir() string { return filepath.Join(d.Dir, "state") }

// CompileSlipway compiles the program slipway to a file in dir and returns its path.
func CompileSlipway(ctx context.Context, dir string) (string, error) {
	root, err := toolbox.Root()
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "slipway")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./cmd/slipway")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile slipway: %w\n%s", err, out)
	}
	return program, nil
}

// serve starts a server with the given arguments and connects Client to it.
func (d *Daemon) serve(ctx context.Context, program string, args []string) (err error) {
	tmp, logFile := filepath.Join(d.Dir, "tmp"), filepath.Join(d.Dir, "buildkitd.log")
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.Dir, "TMPDIR=" + tmp, "SSL_CERT_FILE=" + d.Certificates}
	cmd.Stdout, cmd.Stderr = log, log
	if d.process, err = contained.Start(cmd); err != nil {
		return fmt.Errorf("start slipway: %w", err)
	}
	if d.Client, err = client.New(ctx, d.Socket); err != nil {
		return errors.Join(fmt.Errorf("connect to slipway: %w", err), d.Close())
	}
	return await(ctx, "slipway", d.process, func(ctx context.Context) error {
		_, err := d.Client.ListWorkers(ctx)
		return err
	})
}
