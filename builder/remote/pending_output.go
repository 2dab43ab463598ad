package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/solver/export"
	"slipway/solver/tree"
)

// pendingOutput is an output that a builder sends. It is written to a temporary name and moved to
// its destination when the build has succeeded, so that it is complete or missing.
type pendingOutput struct {
	dest, temp string // "" are standard output
	isDir      bool
	made       bool // the directory was not there
	file       *os.File
	done       func()        // ends the note of temp
	inPlace    export.Target // is written to without temp; zero for others
}

// newPendingOutput makes the temporary file or directory of an output.
func newPendingOutput(out Output, outputs export.Outputs) (*pendingOutput, error) {
	s := &pendingOutput{isDir: out.IsDir}
	if out.Dest == "-" {
		return s, nil
	}
	t, err := export.FindTarget(out.Dest)
	if err != nil {
		return nil, err
	}
	if t.InPlace {
		s.inPlace = t
		return s, nil
	}
	if s.dest, err = filepath.Abs(t.Path); err != nil {
		return nil, err
	}
	_, err = os.Stat(s.dest)
	s.made = errors.Is(err, fs.ErrNotExist)
	if s.isDir {
		if err := os.MkdirAll(s.dest, 0o755); err != nil {
			return nil, err
		}
		if s.temp, s.done, err = outputs.TempPath(s.dest); err != nil {
			return nil, err
		}
		return s, os.Mkdir(s.temp, 0o700)
	}
	if err := os.MkdirAll(filepath.Dir(s.dest), 0o755); err != nil {
		return nil, err
	}
	if s.temp, s.done, err = outputs.TempPath(filepath.Dir(s.dest)); err != nil {
		return nil, err
	}
	if s.file, err = os.OpenFile(s.temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return s, err
	}
	return s, s.file.Chmod(0o644)
}

// open returns the file that an exporter writes.
func (s *pendingOutput) open(ctx context.Context) (io.WriteCloser, error) {
	if s.inPlace.InPlace {
		return s.inPlace.Open(ctx)
	}
	if s.temp == "" {
		return stdout{os.Stdout}, nil
	}
	return s.file, nil
}

// stdout is standard output, which Close does not close.
type stdout struct{ io.Writer }

// Close implements [io.Closer].
func (stdout) Close() error { return nil }

// keep moves the outputs to their destinations.
func (b *Build) keep(log io.Writer) error {
	if l := b.load; l != nil {
		b.load = nil
		said, err := l.Finish()
		if err != nil {
			return err
		}
		fmt.Fprintln(log, said)
	}
	for _, s := range b.pending {
		if s.temp == "" {
			continue
		}
		place := os.Rename
		if s.isDir {
			place = export.Merge
		}
		if err := place(s.temp, s.dest); err != nil {
			return err
		}
		s.made = false
	}
	return nil
}

// discard removes the outputs that were not moved.
func (b *Build) discard() {
	if b.load != nil {
		b.load.Abandon()
	}
	for _, s := range b.pending {
		if s.file != nil {
			_ = s.file.Close() // most often the exporter has
		}
		if s.temp != "" {
			_ = tree.RemoveAll(s.temp)
			s.done()
		}
		if s.isDir && s.made {
			_ = os.Remove(s.dest) // unless someone else has put something there
		}
	}
}
