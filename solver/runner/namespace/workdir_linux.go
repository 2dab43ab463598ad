package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// makeDir enters the working directory. For the first process of a container, it creates a
// missing directory with the owner of the process. For a process that joins, a missing
// directory is an error. If makeDir created it, another process could replace the new
// directory, and makeDir would change the owner of the replacement.
//
// Upstream: for steps that run as root, runc also creates the directories before "..": the
// directory /x/../y makes it create /x.
func (c *config) makeDir() error {
	err := os.Chdir("/" + c.DirName)
	switch {
	case err == nil:
		return c.checkInsideRoot()
	case c.Join:
		return err
	}
	if err := c.makeDirs(c.Dir, c.UID, c.GID); err != nil {
		return err
	}
	parts := strings.Split(c.DirName, "/")
	for i, part := range parts {
		if part != ".." {
			continue
		}
		if err := c.makeDirs(strings.Join(parts[:i], "/"), 0, 0); err != nil {
			return err
		}
	}
	if err := os.Chdir("/" + c.DirName); err != nil {
		return err
	}
	return c.checkInsideRoot()
}

// makeDirs enters a directory in the root of the container. The parameter name is its
// absolute path. If a directory in this path does not exist, makeDirs creates it with
// the owner uid:gid.
//
// Other processes of the container may concurrently replace directories with links.
// makeDirs therefore descends one directory at a time. It creates a directory in the
// current working directory, and only if this is still inside the root.
func (c *config) makeDirs(name string, uid, gid int) error {
	if err := os.Chdir("/"); err != nil {
		return err
	}
	at := ""
	for part := range strings.SplitSeq(name, "/") {
		if part == "" {
			continue
		}
		at += "/" + part
		err := unix.Chdir(part)
		if errors.Is(err, fs.ErrNotExist) {
			if err := c.checkInsideRoot(); err != nil {
				return err
			}
			err = makeHere(part, uid, gid)
		}
		if err != nil {
			return &fs.PathError{Op: "mkdir", Path: at, Err: err}
		}
	}
	return nil
}

// makeHere creates a directory with the given name in the working directory, makes
// uid:gid its owner, and enters it. If the directory exists, because another process
// has created it in the meantime, makeHere enters it without changing its owner.
func makeHere(name string, uid, gid int) error {
	err := unix.Mkdir(name, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return unix.Chdir(name)
	}
	if err != nil {
		return err
	}
	dir, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Fchownat(dir, "", uid, gid, unix.AT_EMPTY_PATH), unix.Fchdir(dir), unix.Close(dir))
}

// checkInsideRoot returns an error if the working directory is outside the root, to which
// magic links below /proc can lead. The kernel has no absolute path for a directory outside
// the root, so getcwd fails.
func (c *config) checkInsideRoot() error {
	if _, err := unix.Getwd(); err != nil {
		return fmt.Errorf("%s is outside of the root file system", c.DirName)
	}
	return nil
}
