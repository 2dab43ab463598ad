// Package engine loads images into a container engine with the docker program.
package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
)

// Docker returns the path of the docker program, or an error if it is not installed.
func Docker() (string, error) {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return "", errors.New("output docker: loading an image needs the program docker (or write an archive: type=docker,dest=FILE)")
	}
	return docker, nil
}

// Load represents a running docker load command. It uses the docker program instead of
// the engine's API, because the program applies the user's Docker contexts, credentials
// and addresses.
type Load struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    bytes.Buffer
	broken atomic.Bool // whether docker load ended before all of its input was written
	cancel context.CancelFunc
}

// StartLoad starts docker load, which is killed when ctx ends. The caller must call
// [Load.Finish] or [Load.Abandon].
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

// Input returns the writer to which the caller must write the archive.
func (l *Load) Input() io.WriteCloser { return input{l} }

// input is the standard input of docker load.
type input struct{ l *Load }

// Write implements [io.Writer].
func (i input) Write(p []byte) (int, error) {
	n, err := i.l.in.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		i.l.broken.Store(true)
	}
	return n, err
}

// Close implements [io.Closer].
func (i input) Close() error { return i.l.in.Close() }

// Broken reports whether docker load ended before all of its input was written. [Load.Finish] then
// returns the reason.
func (l *Load) Broken() bool { return l.broken.Load() }

// Finish closes the input, waits until the engine has loaded the images, and returns the
// output of docker load.
func (l *Load) Finish() (string, error) {
	defer l.cancel()
	_ = l.in.Close() // the writer of the archive may have closed it
	err := l.cmd.Wait()
	text := strings.TrimSpace(l.out.String())
	if err != nil {
		return "", fmt.Errorf("docker load: %w: %s", err, text)
	}
	return text, nil
}

// Abandon kills docker load before the input ends, so that the engine loads no image.
func (l *Load) Abandon() {
	l.cancel()
	_ = l.cmd.Wait() // reports only that the process was killed
}
