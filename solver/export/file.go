package export

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"slipway/internal/regularfile"
	"slipway/solver/tree"
)

// tempPrefix is the prefix of the names of temporary files, which are renamed when they are
// complete.
const tempPrefix = ".slipway-"

// WriteFile writes a file atomically: it calls the function write with a temporary file in
// the same directory, and renames the temporary file to name. It creates missing parent
// directories.
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

// finish calls the function write with the temporary file tmp, closes the file and renames
// it to name. If one of these steps fails, it removes the temporary file.
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

// Unfinished returns the paths of incomplete files in a directory: files that another
// process is writing, or that a killed process did not complete.
func Unfinished(dir string) []string {
	list, _ := fs.Glob(os.DirFS(dir), tempPrefix+"*") // the pattern is valid
	for i, name := range list {
		list[i] = filepath.Join(dir, name)
	}
	return list
}

// Outputs writes results to the user's destinations. It records the paths of incomplete
// outputs, so that [Outputs.Reclaim] can remove them if this process is killed.
type Outputs struct {
	Records string // directory of the records; "" means that paths are not recorded
	// Refused is called with the path of each device or pipe that the output lacks
	// because it cannot be created. If it is nil, no devices and pipes are created.
	Refused func(name string)
	// Delete makes [Outputs.WriteDir] remove files in the directory that are not in the tree.
	Delete bool
}

// TempPath returns an unused path in dir for an incomplete output, and records the path
// for [Outputs.Reclaim]. The caller must call the returned function done after renaming
// or removing the output.
func (o Outputs) TempPath(dir string) (temp string, done func(), err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	if o.Records == "" {
		return filepath.Join(dir, tempPrefix+rand.Text()), func() {}, nil
	}
	if err := os.MkdirAll(o.Records, 0o700); err != nil {
		return "", nil, err
	}
	f, err := os.CreateTemp(o.Records, tempPrefix)
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

// Reclaim removes the recorded outputs that killed processes did not complete. The caller
// must ensure that no other process uses the same directory of records.
func (o Outputs) Reclaim() error {
	var errs []error
	for _, note := range Unfinished(o.Records) {
		dir, err := regularfile.Read(note)
		if err == nil && filepath.IsAbs(string(dir)) {
			err = tree.RemoveAll(filepath.Join(string(dir), filepath.Base(note)))
		}
		errs = append(errs, err, os.Remove(note))
	}
	return errors.Join(errs...)
}

// WriteFile writes an output file atomically. It calls the function write with a writer
// for the file. It follows symbolic links. If the target is a device, a pipe or an open
// file, WriteFile writes to it in place.
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
	temp, done, err := o.TempPath(dir)
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

// Writer returns a writer that writes to w and fails after ctx is done.
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
