package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"slipway/solver"
	"slipway/solver/export"
)

// loader gives an archive to an engine: it runs `docker load`, so that contexts,
// credentials and addresses are those that its users have set.
type loader struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    bytes.Buffer
	cancel context.CancelFunc
}

func startLoad(ctx context.Context) (*loader, error) {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return nil, errNoDocker()
	}
	l := &loader{}
	ctx, l.cancel = context.WithCancel(ctx)
	l.cmd = exec.CommandContext(ctx, docker, "load")
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.out
	if l.in, err = l.cmd.StdinPipe(); err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		l.cancel()
		return nil, fmt.Errorf("docker load: %w", err)
	}
	return l, nil
}

// finish waits until the engine has the image, and returns what docker says.
func (l *loader) finish() (string, error) {
	defer l.cancel()
	_ = l.in.Close() // an exporter may have done so
	err := l.cmd.Wait()
	said := strings.TrimSpace(l.out.String())
	if err != nil {
		return "", fmt.Errorf("docker load: %w: %s", err, said)
	}
	return said, nil
}

// abandon ends docker, which then has loaded nothing.
func (l *loader) abandon() {
	l.cancel()
	_ = l.cmd.Wait() // it was killed
}

// toEngine loads what write writes.
func toEngine(ctx context.Context, log io.Writer, write func(io.Writer) error) error {
	l, err := startLoad(ctx)
	if err != nil {
		return err
	}
	t := solver.Track(ctx, "sending tarball", 0)
	defer t.Done()
	writeErr := write(t.Writer(export.Writer(ctx, l.in)))
	if ctx.Err() != nil {
		l.abandon()
		return ctx.Err()
	}
	said, err := l.finish() // if docker ended early it says why, and not the pipe
	if err = errors.Join(err, writeErr); err != nil && said == "" {
		return err
	}
	fmt.Fprintln(log, said)
	return err
}
