package buildcase

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/tools/txtar"

	"slipway/integration/rig"
)

// A Layout is a case on disk: a directory that contains the files for one build of the case at
// a time. Not safe for concurrent use.
type Layout struct {
	c     *Case
	dir   string
	start time.Time
	n     int // index of the current build
}

// Lay writes the files for the first build of the case below dir.
func (c *Case) Lay(dir string) (*Layout, error) {
	l := &Layout{c: c, dir: dir, start: time.Now()}
	if err := os.MkdirAll(filepath.Join(dir, "context"), 0o755); err != nil {
		return nil, err
	}
	if c.SSH {
		if err := rig.WriteSSHKey(filepath.Join(dir, "key")); err != nil {
			return nil, err
		}
	}
	return l, l.apply(c.builds[0])
}

// Builds returns the number of builds of the case.
func (c *Case) Builds() int { return len(c.builds) }

// Next changes the files on disk to the files of the next build. It returns false if the case
// has no further build.
func (l *Layout) Next() (bool, error) {
	if l.n+1 == len(l.c.builds) {
		return false, nil
	}
	l.n++
	return true, l.apply(l.c.builds[l.n])
}

// Dir returns the directory that contains the files of the current build.
func (l *Layout) Dir() string { return l.dir }

// Request returns the request for the current build. Its Dockerfile has no # syntax line.
func (l *Layout) Request() rig.Request {
	req := rig.Request{
		Dockerfile: l.c.dockerfile(l.n), Ignore: l.c.ignore,
		Context: filepath.Join(l.dir, "context"),
		Attrs:   l.c.attrs(l.n), Contexts: map[string]string{},
		Secrets: l.c.Secrets, Entitlements: l.c.Allow,
	}
	for _, name := range l.c.Named {
		req.Contexts[name] = filepath.Join(l.dir, "named", name)
	}
	if l.c.SSH {
		req.SSHKey = filepath.Join(l.dir, "key")
	}
	return req
}

// apply writes the files of build b to disk, then creates or changes files as the headers of b
// describe.
func (l *Layout) apply(b step) error {
	for _, f := range b.files {
		if err := l.write(f); err != nil {
			return err
		}
	}
	for _, p := range b.places {
		if err := Place(p.key, l.dir, p.value); err != nil {
			return fmt.Errorf("%s: %s: %w", p.key, p.value, err)
		}
	}
	return setDefaultTimes(l.dir, l.start)
}

// write writes a file of the case to disk. It first removes any existing file or directory at
// the same path, and any file at the path of a parent directory.
func (l *Layout) write(f txtar.File) error {
	for at := f.Name; at != "."; at = filepath.Dir(at) {
		path := filepath.Join(l.dir, at)
		info, err := os.Lstat(path)
		if err != nil || info.IsDir() && at != f.Name {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	path := filepath.Join(l.dir, f.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, f.Data, 0o644)
}

// setDefaultTimes sets the modification time of the files below dir to the default time. The
// parameter began is the time at which the layout was created. A file with an earlier
// modification time stays unchanged, because a header or an earlier build has set this time.
func setDefaultTimes(dir string, began time.Time) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || info.ModTime().Before(began.Add(-time.Second)) {
			return err
		}
		return setTime(path, defaultTime())
	})
}
