package chroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"

	"slipway/solver/runner"
	"slipway/solver/runner/socket"
	"slipway/solver/tree"
)

// placeMount puts the mount m, with the index i in the sandbox, into the root.
func (s *step) placeMount(i int, m *runner.Mount) error {
	var source string
	if m.Kind == runner.MountDir && !m.ReadOnly {
		var err error
		if source, err = cacheSource(m); err != nil {
			return err
		}
	}
	pl, err := s.add(m.Target, i)
	if err != nil {
		return err
	}
	isDir, err := s.showsDir(i, m, source)
	if err == nil {
		err = s.checkHidden(pl, isDir)
	}
	if err != nil {
		return err
	}
	return pl.show(func() error {
		switch m.Kind {
		case runner.MountTree:
			return s.placeTree(i, pl)
		case runner.MountDir:
			if m.ReadOnly {
				return s.placeTree(i, pl)
			}
			return s.placeCache(pl, source)
		case runner.MountTmpfs:
			return s.placeTmpfs(pl)
		case runner.MountFile:
			return placeSecret(pl, m)
		case runner.MountSocket:
			stop, err := socket.Listen(s.ctx, filepath.Join(s.root, pl.target), m)
			if err == nil {
				s.stop = append(s.stop, stop)
			}
			return err
		}
		return fmt.Errorf("unknown kind %d", m.Kind)
	})
}

// showsDir reports whether the mount m, with the index i in the sandbox, shows a directory. The
// parameter source is the path of its cache mount.
func (s *step) showsDir(i int, m *runner.Mount, source string) (bool, error) {
	switch {
	case m.Kind == runner.MountTmpfs:
		return true, nil
	case m.Kind == runner.MountFile, m.Kind == runner.MountSocket:
		return false, nil
	case source == "":
		source = filepath.Join(s.work, "in", strconv.Itoa(i), mountName)
	}
	info, err := os.Lstat(source)
	return err == nil && info.IsDir(), err
}

// checkHidden returns an error if a directory would hide a file, or the reverse. The kernel refuses
// such mounts.
func (s *step) checkHidden(pl *place, isDir bool) error {
	if !pl.hides {
		return nil
	}
	info, err := os.Lstat(s.indexed("aside", pl))
	switch {
	case err != nil:
		return err
	case isDir && !info.IsDir():
		return errors.New("a directory cannot be mounted over a file")
	case !isDir && info.IsDir():
		return errors.New("a file cannot be mounted over a directory")
	}
	return nil
}

// placeTree moves the copy of the tree of the mount with the index i into the root.
func (s *step) placeTree(i int, pl *place) error {
	return os.Rename(filepath.Join(s.work, "in", strconv.Itoa(i), mountName), pl.path())
}

// placeTmpfs creates an empty directory with the mode of the directory that it hides or,
// without one, with the mode 1777.
//
// Upstream: same as runc.
func (s *step) placeTmpfs(pl *place) error {
	mode := fs.ModeSticky | 0o777
	if info, err := os.Lstat(s.indexed("aside", pl)); pl.hides && err == nil && info.IsDir() {
		mode = info.Mode() & (fs.ModePerm | fs.ModeSticky | fs.ModeSetgid | fs.ModeSetuid)
	}
	if err := os.Mkdir(pl.path(), 0o700); err != nil {
		return err
	}
	return os.Chmod(pl.path(), mode)
}

// placeSecret writes a file such as a secret, and keeps it open.
func placeSecret(pl *place, m *runner.Mount) error {
	f, err := os.OpenFile(pl.path(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	pl.secret = f
	_, err = f.Write(m.Data)
	return errors.Join(err, f.Chown(int(m.UID), int(m.GID)), f.Chmod(tree.FileMode(m.Mode)))
}

// placeSystem puts /proc, /dev and /sys into the root.
//
// Upstream: they are part of the result, unless something is mounted below them.
func (s *step) placeSystem() error {
	for _, d := range []struct {
		target string
		fill   func(dir string) error
	}{
		{"/proc", fillProc}, {"/dev", fillDev}, {"/sys", func(string) error { return nil }},
	} {
		if info, err := os.Lstat(s.root + d.target); err == nil && !info.IsDir() {
			return fmt.Errorf("mount %s: must be mounted on ordinary directory (replace the link or file in the image)", d.target)
		}
		pl, err := s.add(d.target, -1)
		if err != nil {
			return fmt.Errorf("mount %s: %w", d.target, err)
		}
		pl.keep = s.p.KeepMountParents || !s.hasMountBelow(d.target)
		create := func() error { return errors.Join(makeDir(pl.path()), d.fill(pl.path())) }
		if pl.hides || !pl.keep { // otherwise, the result contains a new directory
			err = pl.keepTime(create)
		} else {
			err = create()
		}
		if err != nil {
			return fmt.Errorf("mount %s: %w", d.target, err)
		}
	}
	return nil
}

// makeDir creates a directory with the mode 0755, regardless of the umask of this process.
func makeDir(name string) error {
	return errors.Join(os.Mkdir(name, 0o755), os.Chmod(name, 0o755))
}

// hasMountBelow reports whether the target of a mount is below the directory dir.
func (s *step) hasMountBelow(dir string) bool {
	for i := range s.p.Mounts {
		if strings.HasPrefix(s.p.Mounts[i].Target, dir+"/") {
			return true
		}
	}
	return false
}

// placeNetworkFiles puts /etc/hosts and /etc/resolv.conf into the root. The process uses the
// name servers and the host name of the builder. It may change the files, but the result does
// not contain them.
func (s *step) placeNetworkFiles() error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	hosts := "127.0.0.1\tlocalhost " + name + "\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for _, h := range s.p.Hosts {
		hosts += h.IP + "\t" + h.Name + "\n"
	}
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err := ignoreMissing(err); err != nil {
		return err
	}
	for _, f := range []struct {
		target string
		data   []byte
	}{{"/etc/hosts", []byte(hosts)}, {"/etc/resolv.conf", resolv}} {
		pl, err := s.add(f.target, -1)
		if err == nil {
			err = s.checkHidden(pl, false)
		}
		if err == nil {
			err = pl.show(func() error { return errors.Join(os.WriteFile(pl.path(), f.data, 0o644), os.Chmod(pl.path(), 0o644)) })
		}
		if err != nil {
			return fmt.Errorf("mount %s: %w", f.target, err)
		}
	}
	return nil
}

// cacheSource returns the path on the host that the mount m of a directory shows.
func cacheSource(m *runner.Mount) (string, error) {
	at, err := securejoin.SecureJoin(m.HostPath, m.Source)
	if err != nil {
		return "", err
	}
	if _, err = os.Lstat(at); errors.Is(err, fs.ErrNotExist) {
		return "", &runner.SourceError{Source: m.Source}
	}
	return at, err
}
