package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/docker/go-units"
)

// The limits of files that are given to steps, as with BuildKit.
const (
	maxSecret = 500 << 10
	maxKey    = 100 << 10
)

// readInputs reads the files of --secret and --ssh. They may be pipes, as in
// --secret id=x,src=<(command), so it must be called once only: not before
// [namespace.Enter], which starts the program again.
func (f *buildFlags) readInputs(ctx context.Context) error {
	f.opt.Secrets = map[string][]byte{}
	for _, s := range f.secretSources {
		data, err := s.read(ctx)
		if err != nil {
			return fmt.Errorf("--secret %s: %w", s.flag, err)
		}
		f.opt.Secrets[s.id] = data
	}
	for i := range f.agents {
		if err := f.agents[i].find(ctx); err != nil {
			return fmt.Errorf("--ssh %s: %w", f.agents[i].flag, err)
		}
	}
	return nil
}

// readFile reads a file of at most limit bytes. If ctx is done, it stops waiting
// for whoever writes to a pipe.
func readFile(ctx context.Context, name string, limit int64) ([]byte, error) {
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
