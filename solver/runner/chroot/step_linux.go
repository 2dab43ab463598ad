package chroot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"

	"slipway/solver/runner"
	"slipway/solver/runner/changes"
	"slipway/solver/runner/launch"
	"slipway/solver/tree"
)

// step is a process with the files that it sees.
type step struct {
	r    *Runner
	p    *runner.Process
	ctx  context.Context
	work string // directory of the step, with these subdirectories:
	// root   the root of the process
	// in     copies of mounted trees, by index of the mount, until they are put into the root
	// aside  files that mounts hide, by index in places
	// out    files that mounts showed, by index in places
	root   string
	super  *supervisor
	init   initConfig
	places []*place   // in the order in which they were put into the root
	stop   []func()   // close sockets
	locks  []*os.File // locked files of the cache mounts and of the step

	copies map[int]*copied // copies of trees, by index of the mount
	mark   *changes.Mark   // made after copies; nil until then
}

// start locks the cache mounts, creates the directory of the step and starts its supervisor.
func (s *step) start() error {
	if err := s.lockCaches(); err != nil {
		return err
	}
	var err error
	if s.work, err = os.MkdirTemp(s.r.dir, ""); err != nil {
		return err
	}
	s.root = filepath.Join(s.work, "root")
	if err := s.lock(filepath.Join(s.work, lockName)); err != nil {
		return err
	}
	s.super, err = startSupervisor(s.p, s.work, s.locks)
	return err
}

// prepare makes the root of the process with everything that it sees.
func (s *step) prepare() error {
	for _, name := range []string{"root", "in", "aside", "out"} {
		if err := os.Mkdir(filepath.Join(s.work, name), 0o755); err != nil {
			return err
		}
	}
	if err := s.copyTrees(); err != nil {
		return err
	}
	var err error
	if s.mark, err = changes.NewMark(s.ctx, s.work); err != nil {
		return err
	}
	if err := s.placeSystem(); err != nil {
		return err
	}
	if err := s.placeNetworkFiles(); err != nil {
		return err
	}
	for i := range s.p.Mounts {
		m := &s.p.Mounts[i]
		if m.Target == "/" {
			continue
		}
		if err := s.placeMount(i, m); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	return s.configure()
}

// copyTrees copies the trees of all mounts to the directory of the step. Read-only directories
// of the host are copied as well, so that the process cannot change them.
func (s *step) copyTrees() error {
	s.copies = map[int]*copied{}
	for i := range s.p.Mounts {
		m := s.p.Mounts[i]
		if m.Kind != runner.MountTree && (m.Kind != runner.MountDir || !m.ReadOnly) {
			continue
		}
		base, dir := m.Tree, s.root
		var err error
		if m.Target != "/" {
			dir = filepath.Join(s.work, "in", strconv.Itoa(i))
			if base, err = s.mounted(&m); err == nil {
				err = os.Mkdir(dir, 0o755)
			}
		}
		if err == nil {
			s.copies[i], err = s.copy(base, dir, m.Target == "/")
		}
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	return nil
}

// mountName is the name of a mounted file or directory in the directory that contains it alone.
const mountName = "mounted"

// mounted returns a directory that contains only what the mount m shows, as [mountName].
func (s *step) mounted(m *runner.Mount) (_ *tree.Node, err error) {
	shown := *m
	if m.Kind == runner.MountDir {
		if shown.Tree, err = (tree.HostReader{Store: s.r.store}).ReadDir(s.ctx, m.HostPath); err != nil {
			return nil, err
		}
	}
	_, n, err := shown.Resolve(shown.Base())
	if err != nil {
		return nil, err
	}
	return tree.NewDir(tree.Meta{Mode: 0o755}, []tree.Entry{{Name: mountName, Node: n}})
}

// configure sets s.init, the configuration of the process, and creates its working directory.
func (s *step) configure() error {
	root := s.p.Mounts[s.p.Root()].Tree
	id, err := launch.LookUp(s.r.store, root, s.p.User)
	if err != nil {
		return err
	}
	for _, g := range s.p.Groups {
		id.Groups = append(id.Groups, int(g))
	}
	dir, err := s.makeWorkDir(&id)
	if err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	s.init = initConfig{
		IDs: id, Args: s.p.Args, Env: launch.Environ(s.p.Env, id.Home), Root: s.root, Dir: dir,
		Limits: s.p.Ulimits, Insecure: s.p.Insecure, Caches: s.caches(),
	}
	return nil
}

// makeWorkDir creates the working directory and its missing parents with the user of the
// process as their owner. It returns the path without links.
//
// Upstream: runc also creates the directories before "..": the directory /x/../y makes it create
// /x.
func (s *step) makeWorkDir(id *launch.IDs) (string, error) {
	dir, err := s.makeDirs(s.p.Dir, id.UID, id.GID)
	if err != nil {
		return "", err
	}
	parts := strings.Split(s.p.Dir, "/")
	for i, part := range parts {
		if part != ".." {
			continue
		}
		if _, err := s.makeDirs(strings.Join(parts[:i], "/"), 0, 0); err != nil {
			return "", err
		}
	}
	return path.Join("/", dir), nil
}

// makeDirs creates the directory with the path name in the root, and its missing parents, with the
// owner uid:gid. It returns the path without links.
func (s *step) makeDirs(name string, uid, gid int) (string, error) {
	full, err := securejoin.SecureJoin(s.root, name)
	if err != nil {
		return "", err
	}
	dir := strings.TrimPrefix(full, s.root)
	at := s.root
	for part := range strings.SplitSeq(strings.TrimPrefix(dir, "/"), "/") {
		at = filepath.Join(at, part)
		err := os.Mkdir(at, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = errors.Join(os.Chmod(at, 0o755), os.Lchown(at, uid, gid))
		}
		if err != nil {
			return "", err
		}
	}
	return dir, nil
}

// finish removes everything from the root that does not belong to it, and returns the trees of
// the mounts that were copied. Other mounts have no tree.
func (s *step) finish() ([]*tree.Node, error) {
	var err error
	for i := len(s.places) - 1; i >= 0; i-- {
		if failed := s.remove(i); failed != nil {
			err = errors.Join(err, fmt.Errorf("mount %s: %w", s.places[i].target, failed))
		}
	}
	if err != nil {
		return nil, err
	}
	changed, err := s.mark.Changes()
	if err != nil {
		return nil, err
	}
	out := make([]*tree.Node, len(s.p.Mounts))
	for i := range s.p.Mounts {
		if s.copies[i] == nil {
			continue
		}
		if out[i], err = s.readMount(i, changed); err != nil {
			return nil, fmt.Errorf("mount %s: %w", s.p.Mounts[i].Target, err)
		}
	}
	return out, nil
}
