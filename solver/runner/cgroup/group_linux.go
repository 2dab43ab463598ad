package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
)

// Group holds the control groups of a step, at most one per hierarchy.
type Group struct {
	all []membership // groups of all processes
	own []string     // directories of groups that only this step uses
	// Groups in the hierarchy that filters devices, for processes with a filter and
	// without one. A zero membership leaves processes in their current group.
	filtered, privileged membership
}

// membership is the group of a process in a hierarchy.
type membership struct {
	h   *hierarchy
	dir string
}

// Step creates the groups of a step. If [Set.Filter] has succeeded, they filter
// devices. A step gets its own group only if it has limits or the set has a parent.
func (s *Set) Step(step string, limits *runner.Resources) (_ *Group, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &Group{}
	if s.common != "" {
		g.filtered = membership{s.devices, s.common}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Remove())
		}
	}()
	left := settings(limits)
	for i := range s.all {
		h := &s.all[i]
		var mine []setting
		mine, left = h.share(left)
		if len(mine) == 0 && s.parent == "" {
			continue
		}
		if err := s.join(g, h, step, mine); err != nil {
			return nil, err
		}
	}
	if len(left) > 0 {
		return nil, &LimitError{left[0].limit, fmt.Errorf("no control groups limit it, as the controller %s does not exist (leave it out)", left[0].controller)}
	}
	if s.parent != "" && len(g.own) == 0 {
		return nil, &LimitError{cgroupParent, errors.New("no control groups are mounted (leave it out)")}
	}
	return g, nil
}

// cgroupParent is the flag of docker build for the parent of groups.
const cgroupParent = "cgroup-parent"

// share splits settings into those of this hierarchy and others.
func (h *hierarchy) share(all []setting) (mine, others []setting) {
	for _, s := range all {
		if h.has(s.controller) {
			mine = append(mine, s)
		} else {
			others = append(others, s)
		}
	}
	return mine, others
}

// join creates the group of a step in a hierarchy.
func (s *Set) join(g *Group, h *hierarchy, step string, limits []setting) error {
	dir, err := s.makeStep(h, step, limits)
	if err != nil {
		return err
	}
	g.own = append(g.own, dir)
	for i := range limits {
		if err := limits[i].set(h, dir); err != nil {
			return err
		}
	}
	if s.common == "" || s.devices != h {
		g.all = append(g.all, membership{h, dir})
		return nil
	}
	g.privileged = membership{h, dir}
	if h.unified {
		g.filtered = membership{h, filepath.Join(dir, "filtered")}
		return errors.Join(h.mkdir(g.filtered.dir), s.restrict(h, g.filtered.dir))
	}
	return nil
}

// makeStep creates the directory of a step in the first base where that is possible.
func (s *Set) makeStep(h *hierarchy, step string, limits []setting) (string, error) {
	name := cgroupParent
	var controllers []string
	for _, l := range limits {
		controllers, name = append(controllers, l.controller), limits[0].limit
	}
	var failed error
	for _, base := range s.bases(h) {
		dir := filepath.Join(base, s.name, step)
		err := h.mkdir(filepath.Dir(dir))
		if err == nil && h.unified {
			err = s.enable(h, base, controllers)
		}
		if err == nil {
			err = h.mkdir(dir)
		}
		if err == nil {
			return dir, nil
		}
		_ = os.Remove(filepath.Dir(dir)) // fails if it contains other steps
		if failed == nil {
			failed = err
		}
	}
	return "", &LimitError{name, fmt.Errorf("make a control group: %w (run slipway as root or by systemd-run --user --scope, or leave the limit out)", failed)}
}

// enable enables controllers for the groups of steps below a base.
func (s *Set) enable(h *hierarchy, base string, controllers []string) error {
	chain := []string{filepath.Join(base, s.name), base}
	if s.parent != "" { // groups above base may be new
		for dir := base; dir != h.mount; {
			dir = filepath.Dir(dir)
			chain = append(chain, dir)
		}
	}
	for i := len(chain) - 1; i >= 0; i-- {
		if err := enable(chain[i], controllers); err != nil {
			return err
		}
	}
	return nil
}

// Container returns the groups of a step that an OCI runtime creates.
func (s *Set) Container(step string) *Group {
	g := &Group{}
	for i := range s.all {
		g.own = append(g.own, filepath.Join(s.all[i].mount, s.Path(step)))
	}
	return g
}

// OutOfMemory reports whether the kernel killed a process of the step because its own
// group exceeded the memory limit.
func (g *Group) OutOfMemory() bool {
	for _, dir := range g.own {
		if kills(filepath.Join(dir, "memory.events")) || kills(filepath.Join(dir, "memory.oom_control")) {
			return true
		}
	}
	return false
}

// kills reports whether a file of a group contains a nonzero count of OOM kills.
func kills(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if n, ok := strings.CutPrefix(in.Text(), "oom_kill "); ok {
			return n != "0"
		}
	}
	return false
}

// Remove removes the groups that only this step uses. They must not contain processes.
func (g *Group) Remove() error { return Remove(g.own) }

// Remove removes groups and their children by directory. They must not contain
// processes. It is not an error if a group does not exist.
func Remove(dirs []string) error {
	var err error
	for _, dir := range dirs {
		err = errors.Join(err, remove(dir))
	}
	return err
}

// tries is the number of attempts to remove a busy group. A process may leave its group
// shortly after it has been waited for.
const tries = 10

func remove(dir string) error {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		if e.IsDir() {
			err = errors.Join(err, remove(filepath.Join(dir, e.Name())))
		}
	}
	gone := unix.Rmdir(dir)
	for pause := range tries {
		if !errors.Is(gone, unix.EBUSY) && !errors.Is(gone, unix.EINTR) {
			break
		}
		time.Sleep(time.Millisecond << pause)
		gone = unix.Rmdir(dir)
	}
	if gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, &fs.PathError{Op: "rmdir", Path: dir, Err: gone})
	}
	return err
}
