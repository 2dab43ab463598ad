package export

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/solver/tree"
)

// tempPrefix is the prefix of the names of incomplete files.
const tempPrefix = ".slipway-"

// WriteFile writes a file atomically.
func WriteFile(name string, write func(io.Writer) error) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	return finish(tmp, name, write)
}

// finish writes the content of a temporary file and renames it to name. If that fails, it
// removes the temporary file.
func finish(tmp *os.File, name string, write func(io.Writer) error) error {
	err := errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// Unfinished returns the incomplete files of killed processes in a directory.
func Unfinished(dir string) []string {
	list, _ := fs.Glob(os.DirFS(dir), tempPrefix+"*") // the pattern is valid
	for i, name := range list {
		list[i] = filepath.Join(dir, name)
	}
	return list
}

// Outputs writes results to destinations of the user. It records the paths of incomplete
// outputs, so that [Outputs.Reclaim] can remove them after this process was killed.
type Outputs struct {
	Notes string // directory of the records; "" records nothing
	// Refused is called with the path of each device or pipe that cannot be created and
	// that a directory therefore lacks. If it is nil, directories get no devices and
	// pipes at all.
	Refused func(name string)
}

// Note returns a temporary path in dir and records it. done removes the record.
func (o Outputs) Note(dir string) (temp string, done func(), err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if o.Notes == "" {
		return filepath.Join(dir, tempPrefix+rand.Text()), func() {}, nil
	}
	if err := os.MkdirAll(o.Notes, 0o700); err != nil {
		return "", nil, err
	}
	f, err := os.CreateTemp(o.Notes, tempPrefix)
	if err != nil {
		return "", nil, err
	}
	temp = filepath.Join(dir, filepath.Base(f.Name()))
	done = func() { os.Remove(f.Name()) }
	_, err = f.WriteString(dir)
	if err = errors.Join(err, f.Close()); err != nil {
		done()
	}
	return temp, done, err
}

// Reclaim removes incomplete outputs of killed processes. No other process may write
// outputs with the same records meanwhile.
func (o Outputs) Reclaim() error {
	var errs []error
	for _, note := range Unfinished(o.Notes) {
		dir, err := os.ReadFile(note)
		if err == nil && filepath.IsAbs(string(dir)) {
			err = tree.RemoveAll(filepath.Join(string(dir), filepath.Base(note)))
		}
		errs = append(errs, err, os.Remove(note))
	}
	return errors.Join(errs...)
}

// WriteFile writes a file atomically. It follows symbolic links. If the target is not a
// regular file, it is written in place.
func (o Outputs) WriteFile(ctx context.Context, name string, write func(io.Writer) error) error {
	t, err := FindTarget(name)
	if err != nil {
		return err
	}
	if t.InPlace {
		return t.write(ctx, write)
	}
	name = t.Path
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp, done, err := o.Note(dir)
	if err != nil {
		return err
	}
	defer done()
	tmp, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return finish(tmp, name, func(w io.Writer) error { return write(Writer(ctx, w)) })
}

// Writer returns a writer that fails after ctx is done.
func Writer(ctx context.Context, w io.Writer) io.Writer { return &writer{ctx, w} }

type writer struct {
	ctx context.Context
	w   io.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}
