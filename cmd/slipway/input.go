package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/go-units"
)

// Maximum sizes in bytes of secrets and SSH keys, as in BuildKit.
const (
	maxSecret = 500 << 10
	maxKey    = 100 << 10
)

// maxDockerfile is the maximum size in bytes of a Dockerfile. Frontends reject larger files.
const maxDockerfile = 16 << 20

// readInputs reads the files of --secret and --ssh, and a Dockerfile that is a pipe. Pipes, as
// in --secret id=x,src=<(command), can be read only once. Call readInputs only once, after
// [namespace.Enter], because namespace.Enter may start the program again.
func (f *buildFlags) readInputs(ctx context.Context) error {
	if err := f.readDockerfile(ctx); err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	f.opt.Secrets = map[string][]byte{}
	for _, s := range f.secretSources {
		data, err := s.read(ctx)
		if err != nil {
			return fmt.Errorf("--secret %s: %w", s.flag, err)
		}
		f.opt.Secrets[s.id] = data
	}
	for i := range f.agents {
		if err := f.agents[i].load(ctx); err != nil {
			return fmt.Errorf("--ssh %s: %w", f.agents[i].flag, err)
		}
	}
	return nil
}

// readDockerfile reads a Dockerfile that is a pipe, a device or an open file, as in --file
// <(command). It passes the Dockerfile to the build as standard input, because the builder
// could not open it by its name.
func (f *buildFlags) readDockerfile(ctx context.Context) error {
	name := f.opt.File
	if !isStream(name) {
		return nil
	}
	if f.opt.Context == "-" {
		return fmt.Errorf("%q is not a regular file (a context on standard input needs one)", name)
	}
	data, err := readFlagFile(ctx, name, maxDockerfile)
	f.opt.File, f.opt.Stdin = "-", bytes.NewReader(data)
	return err
}

// isStream reports whether name is an existing pipe or device, or refers to an open file,
// such as /dev/fd/3.
func isStream(name string) bool {
	info, err := os.Stat(name)
	if err != nil || info.IsDir() {
		return false
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(name))
	return !info.Mode().IsRegular() || err == nil && (dir == "/dev" || strings.HasPrefix(dir, "/proc/"))
}

// readFlagFile reads a file that the user names in a flag. If the file is larger than the limit
// in bytes, it returns an error. If the file is a pipe, it waits for the writer until ctx is
// done.
func readFlagFile(ctx context.Context, name string, limit int64) ([]byte, error) {
	var data []byte
	read := make(chan error, 1)
	go func() {
		var err error
		data, err = readAtMost(name, limit)
		read <- err
	}()
	select {
	case err := <-read:
		return data, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func readAtMost(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(data)) > limit {
		return nil, tooLarge(name, limit)
	}
	return data, err
}

func tooLarge(name string, limit int64) error {
	return fmt.Errorf("%q is larger than %s", name, units.BytesSize(float64(limit)))
}
