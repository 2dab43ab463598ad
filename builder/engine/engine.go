// Package engine loads images into the container engine that the program docker talks to.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Docker returns the path of the program docker, or an error if it is not installed.
func Docker() (string, error) {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return "", errors.New("output docker: loading an image needs the program docker (or write an archive: type=docker,dest=FILE)")
	}
	return docker, nil
}

// Load is a running `docker load`. The program is used so that contexts, credentials and
// addresses are those that its users have set.
type Load struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    bytes.Buffer
	cancel context.CancelFunc
}

// StartLoad starts `docker load`. The caller must call [Load.Finish] or [Load.Abandon].
func StartLoad(ctx context.Context) (*Load, error) {
	docker, err := Docker()
	if err != nil {
		return nil, err
	}
	l := &Load{}
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

// Input returns the writer of the archive.
func (l *Load) Input() io.WriteCloser { return l.in }

// Finish waits until the engine has the image, and returns what docker says.
func (l *Load) Finish() (string, error) {
	defer l.cancel()
	_ = l.in.Close() // an exporter may have done so
	err := l.cmd.Wait()
	said := strings.TrimSpace(l.out.String())
	if err != nil {
		return "", fmt.Errorf("docker load: %w: %s", err, said)
	}
	return said, nil
}

// Abandon ends docker, which then has loaded nothing.
func (l *Load) Abandon() {
	l.cancel()
	_ = l.cmd.Wait() // it was killed
}
