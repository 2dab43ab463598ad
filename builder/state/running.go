package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// running returns the directory that contains a file for each running build. The modification time
// of the file is the time at which the build has started.
func (d *Dir) running() string { return d.join("running") }

// enter registers a running build until leave is called. The caller must hold the lock. If this
// process is killed, the file remains until a process holds the lock exclusively.
func (d *Dir) enter() (leave func(), err error) {
	if err := os.MkdirAll(d.running(), 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(d.running(), "")
	if err != nil {
		return nil, err
	}
	leave = func() { _ = os.Remove(f.Name()) }
	now := d.now()
	if err := errors.Join(f.Close(), os.Chtimes(f.Name(), now, now)); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// runningSince returns the time at which the oldest running build has started. If no build is
// running, it returns the current time.
func (d *Dir) runningSince() (time.Time, error) {
	since := d.now()
	list, err := os.ReadDir(d.running())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return since, err
	}
	for _, e := range list {
		info, err := os.Stat(filepath.Join(d.running(), e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the build has ended
		}
		if err != nil {
			return since, err
		}
		if info.ModTime().Before(since) {
			since = info.ModTime()
		}
	}
	return since, nil
}
