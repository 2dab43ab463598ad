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

// pendingOutput is an output that the daemon sends to this process. It is written under a
// temporary name, and moved to its destination after the build has succeeded. The destination
// therefore never contains an incomplete output.
type pendingOutput struct {
	dest, temp string // destination and temporary path; both "" for standard output and for output in place
	isDir      bool
	isNew      bool // whether dest did not exist before the build
	file       *os.File
	done       func()        // removes the record of temp
	inPlace    export.Target // target that is written in place; zero for other outputs
}

// newPendingOutput creates the temporary file or directory for an output.
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
	s.isNew = errors.Is(err, fs.ErrNotExist)
	if s.isDir {
		if err := errors.Join(os.MkdirAll(filepath.Dir(s.dest), 0o755), os.MkdirAll(s.dest, 0o700)); err != nil {
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

// open returns the file to which the data from the daemon is written.
func (s *pendingOutput) open(ctx context.Context) (io.WriteCloser, error) {
	if s.inPlace.InPlace {
		return s.inPlace.Open(ctx)
	}
	if s.temp == "" {
		return stdout{os.Stdout}, nil
	}
	return s.file, nil
}

// stdout is a writer to standard output. Closing it does nothing.
type stdout struct{ io.Writer }

// Close implements [io.Closer].
func (stdout) Close() error { return nil }

// moveOutputs moves the complete outputs to their destinations, and waits until docker load
// has loaded an image into the Docker Engine. It writes the output of docker load to the
// writer log.
func (b *Build) moveOutputs(log io.Writer) error {
	if b.load != nil {
		if err := b.finishLoad(log); err != nil {
			return err
		}
	}
	for _, s := range b.pending {
		if s.temp == "" {
			continue
		}
		move := os.Rename
		if s.isDir {
			move = export.Merge
		}
		if err := move(s.temp, s.dest); err != nil {
			return err
		}
		s.isNew = false
	}
	return nil
}

// finishLoad waits for docker load, and copies its output to the writer log.
func (b *Build) finishLoad(log io.Writer) error {
	text, err := b.load.Finish()
	b.load = nil
	if err == nil {
		fmt.Fprintln(log, text)
	}
	return err
}

// discard removes the outputs that have not been moved to their destinations.
func (b *Build) discard() {
	if b.load != nil {
		b.load.Abandon()
	}
	for _, s := range b.pending {
		if s.file != nil {
			_ = s.file.Close() // usually BuildKit's client has closed the file
		}
		if s.temp != "" {
			_ = tree.RemoveAll(s.temp)
			s.done()
		}
		if s.isDir && s.isNew {
			_ = os.Remove(s.dest) // fails if another process has stored files there
		}
	}
}
