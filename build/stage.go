package build

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"slipway/solver/export"
	"slipway/solver/tree"
)

// staged is an output that a builder sends: it is written beside or in its place and
// moved there when the build has succeeded, so that nothing is half written.
type staged struct {
	dest, temp string // "" are standard output
	isDir      bool
	made       bool // the directory was not there
	file       *os.File
}

// stage makes the place beside the destination.
func stage(out Output) (*staged, error) {
	s := &staged{isDir: out.Type == "local" || out.Attrs["tar"] == "false"}
	if out.Dest == stdin {
		if s.isDir {
			return nil, errors.New("a directory cannot go to standard output")
		}
		return s, nil
	}
	var err error
	if s.dest, err = filepath.Abs(out.Dest); err != nil {
		return nil, err
	}
	info, err := os.Stat(s.dest)
	if err == nil && info.IsDir() != s.isDir {
		return nil, fmt.Errorf("%s is a directory, or should be one", out.Dest)
	}
	s.made = err != nil
	if s.isDir {
		if err := os.MkdirAll(s.dest, 0o755); err != nil {
			return nil, err
		}
		s.temp, err = os.MkdirTemp(s.dest, ".slipway-")
		return s, err
	}
	if err := os.MkdirAll(filepath.Dir(s.dest), 0o755); err != nil {
		return nil, err
	}
	if s.file, err = os.CreateTemp(filepath.Dir(s.dest), ".slipway-"); err != nil {
		return nil, err
	}
	s.temp = s.file.Name()
	return s, s.file.Chmod(0o644)
}

// open is the file that an exporter writes.
func (s *staged) open(map[string]string) (io.WriteCloser, error) {
	if s.temp == "" {
		return stdout{os.Stdout}, nil
	}
	return s.file, nil
}

// stdout stays open for others.
type stdout struct{ io.Writer }

// Close implements [io.Closer].
func (stdout) Close() error { return nil }

// keep moves the outputs to their places.
func (r *delegate) keep(log io.Writer) error {
	if l := r.load; l != nil {
		r.load = nil
		said, err := l.finish()
		if err != nil {
			return err
		}
		fmt.Fprintln(log, said)
	}
	for _, s := range r.staged {
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

// discard removes what was not moved.
func (r *delegate) discard() {
	if r.load != nil {
		r.load.abandon()
	}
	for _, s := range r.staged {
		if s.file != nil {
			_ = s.file.Close() // most often the exporter has
		}
		if s.temp != "" {
			_ = tree.RemoveAll(s.temp)
		}
		if s.isDir && s.made {
			_ = os.Remove(s.dest) // unless someone else has put something there
		}
	}
}
