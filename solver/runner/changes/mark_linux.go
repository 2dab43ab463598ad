package changes

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Mark separates the change times of files that existed when it was made from those of files
// that change later. It is valid for the file system of the directory in which it was made.
type Mark struct {
	name  string    // a file whose change time is the current time of the file system
	at    time.Time // later than the change times of all files that existed before
	clock int       // see watchClock
	blind bool      // the file system does not record all changes
}

// NewMark returns a mark. It creates temporary files in the directory dir, which remain there.
// The caller must call Close. If ctx ends, NewMark returns context.Cause(ctx).
func NewMark(ctx context.Context, dir string) (_ *Mark, err error) {
	m := &Mark{name: dir + "/mark", clock: watchClock()}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	page, err := mapPage(dir + "/mapped")
	if err != nil {
		return nil, err
	}
	if err = m.wait(ctx); err == nil {
		m.blind, err = page.isBlind(m.at)
	}
	return m, errors.Join(err, page.close())
}

// wait sets m.at. Change times advance only every few milliseconds, so wait repeats until the
// time has advanced.
func (m *Mark) wait(ctx context.Context) error {
	first, err := m.now()
	for err == nil && ctx.Err() == nil {
		if m.at, err = m.now(); m.at.After(first) {
			return err
		}
	}
	return errors.Join(err, context.Cause(ctx))
}

// now returns the current time of the file system: it changes a file and returns its change time.
func (m *Mark) now() (time.Time, error) {
	if err := os.WriteFile(m.name, nil, 0o600); err != nil {
		return time.Time{}, err
	}
	if err := os.Chmod(m.name, 0o600); err != nil { // changes the change time
		return time.Time{}, err
	}
	info, err := os.Lstat(m.name)
	if err != nil {
		return time.Time{}, err
	}
	return changeTime(info), nil
}

// changeTime returns the ctime of a file, the time of the last change to its content or
// metadata. Unlike the modification time, the ctime cannot be set by a process.
func changeTime(info fs.FileInfo) time.Time {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(st.Ctim.Unix())
}

// Time returns the change time of files that changed when the mark was made.
func (m *Mark) Time() time.Time { return m.at }

// Changes returns a function that reports whether a file has changed since the mark was made, or
// could have changed. The result knows only changes that were made before the call of Changes.
func (m *Mark) Changes() (func(fs.FileInfo) bool, error) {
	now, err := m.now()
	if err != nil {
		return nil, err
	}
	all := m.blind || m.clockWasSet() || now.Before(m.at)
	return func(info fs.FileInfo) bool { return all || !changeTime(info).Before(m.at) }, nil
}

// Close releases the resources of the mark. Its temporary files remain.
func (m *Mark) Close() {
	if m.clock >= 0 {
		_ = unix.Close(m.clock)
	}
}

// watchClock returns a file descriptor from which a read fails with EAGAIN unless the clock was
// set. If the kernel provides no such descriptor, the result is -1.
func watchClock() int {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return -1
	}
	var at unix.ItimerSpec
	err = unix.ClockGettime(unix.CLOCK_REALTIME, &at.Value)
	at.Value.Sec += 1 << 25 // a year, after which all files count as changed
	if err == nil {
		err = unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &at, nil)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1
	}
	return fd
}

// clockWasSet reports whether the clock was set since the mark was made. If the kernel cannot
// tell, it returns false.
func (m *Mark) clockWasSet() bool {
	if m.clock < 0 {
		return false
	}
	_, err := unix.Read(m.clock, make([]byte, 8))
	return !errors.Is(err, unix.EAGAIN)
}

// mappedPage is a new file that is mapped into memory.
type mappedPage struct {
	file *os.File
	data []byte // nil if the file system has no writable mappings
	read byte   // first byte of the page
}

// mapPage creates a file and maps it. It reads the page, because the kernel notices the first
// write to a page that was not read before on every file system.
func mapPage(name string) (*mappedPage, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	p := &mappedPage{file: f}
	if _, err := f.Write(make([]byte, os.Getpagesize())); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if p.data, err = unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return p, nil //nolint:nilerr // processes cannot map files either
	}
	p.read = p.data[0]
	return p, nil
}

// isBlind writes to the page and reports whether the change time of the file is still before at,
// which is after the creation of the file.
func (p *mappedPage) isBlind(at time.Time) (bool, error) {
	if p.data == nil {
		return false, nil
	}
	p.data[0] = p.read + 1
	info, err := p.file.Stat()
	if err != nil {
		return false, err
	}
	return changeTime(info).Before(at), nil
}

// close unmaps and closes the file.
func (p *mappedPage) close() error {
	var err error
	if p.data != nil {
		err = unix.Munmap(p.data)
	}
	return errors.Join(err, p.file.Close())
}
