package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
)

// Group contains the control groups for the processes of one step, at most one per
// hierarchy.
type Group struct {
	all []membership // groups of every process of the step
	own []string     // directories of groups created for this step
	// views are the groups in own as the processes of the step may see them, see [Group.Views].
	views []View
	// These are the groups in the hierarchy that filters devices: filtered for
	// processes with a device filter, privileged for processes without one. If one is
	// zero, the processes stay in the group of the builder.
	filtered, privileged membership
}

// membership identifies the control group of a process in one hierarchy.
type membership struct {
	h   *hierarchy
	dir string // directory of the group
}

// View describes the group of a step in one hierarchy.
type View struct {
	Name    string // name of the directory at which the hierarchy is mounted
	Dir     string // directory of the group
	Unified bool   // whether the hierarchy is the one of version 2
}

// Views returns the groups that were created for the step.
func (g *Group) Views() []View { return g.views }

// Complete creates a group of the step in each hierarchy in which g has none, so that the groups
// that the processes create below them can be removed. It leaves out hierarchies in which it cannot
// create groups.
func (s *Set) Complete(g *Group, step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.all {
		h := &s.all[i]
		if !slices.ContainsFunc(g.views, func(v View) bool { return v.Name == filepath.Base(h.mount) }) {
			_ = s.addGroup(g, h, step, nil) // the step does not need the group
		}
	}
}

// Step creates control groups for a step with the given resource limits. The parameter step
// becomes the directory name of the groups. If [Set.Filter] has succeeded, processes in the
// groups have a device filter. In a hierarchy that can apply none of the limits, Step
// creates no group unless [Options].Parent is set. If a limit cannot be applied, the error
// is a [*LimitError]. The device filter permits the given devices in addition to those that
// every step may open.
func (s *Set) Step(step string, limits *runner.Resources, more []runner.Device) (_ *Group, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &Group{}
	if s.sharedGroup != "" {
		g.filtered = membership{s.devices, s.sharedGroup}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Remove())
		}
	}()
	left := settings(limits)
	for i := range s.all {
		h := &s.all[i]
		var own []setting
		own, left = h.split(left)
		filters := len(more) > 0 && s.sharedGroup != "" && s.devices == h
		if len(own) == 0 && s.parent == "" && !filters {
			continue
		}
		if err := s.addGroup(g, h, step, own); err != nil {
			return nil, err
		}
		if !filters {
			continue
		}
		if err := s.allow(g, more); err != nil {
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

// Measure returns the directory of the version 2 group of the step, whose files count what its
// processes use. It creates the group if g has none. Controllers that cannot be enabled count
// nothing. If the group cannot be created, Measure returns "".
func (s *Set) Measure(g *Group, step string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.all, func(h hierarchy) bool { return h.unified })
	if i < 0 {
		return ""
	}
	h := &s.all[i]
	// The order is the one in which controllers may be unavailable to the builder.
	counters, _ := h.split([]setting{{controller: "io"}, {controller: "cpu"}, {controller: "memory"}, {controller: "pids"}})
	for _, v := range g.views {
		if v.Unified {
			for _, c := range counters {
				_ = s.enable(h, filepath.Dir(filepath.Dir(v.Dir)), []string{c.controller})
			}
			return v.Dir
		}
	}
	for before := *g; ; counters = counters[1:] {
		if s.addGroup(g, h, step, counters) == nil {
			return g.own[len(g.own)-1]
		}
		_ = Remove(g.own[len(before.own):])
		if *g = before; len(counters) == 0 {
			return ""
		}
	}
}

// cgroupParent is the docker build flag that specifies the parent of all groups.
const cgroupParent = "cgroup-parent"

// split divides the given settings into two lists. The first one contains the settings that
// the hierarchy h can apply, because h has the controller of the setting. The second list
// contains the other settings.
func (h *hierarchy) split(all []setting) (own, others []setting) {
	for _, s := range all {
		if h.has(s.controller) {
			own = append(own, s)
		} else {
			others = append(others, s)
		}
	}
	return own, others
}

// addGroup creates the group of a step in hierarchy h, applies the limits to it and
// adds it to g, the groups of the step. In version 2, the device filter applies to a
// child of the new group, so that privileged processes can be in the group itself.
func (s *Set) addGroup(g *Group, h *hierarchy, step string, limits []setting) error {
	dir, err := s.makeStep(h, step, limits)
	if err != nil {
		return err
	}
	g.own = append(g.own, dir)
	g.views = append(g.views, View{Name: filepath.Base(h.mount), Dir: dir, Unified: h.unified})
	for i := range limits {
		if err := limits[i].set(h, dir); err != nil {
			return err
		}
	}
	if s.sharedGroup == "" || s.devices != h {
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

// allow replaces the filtered group of a step with a group whose device filter permits more
// devices. The group is a child of the privileged group of the step.
func (s *Set) allow(g *Group, more []runner.Device) error {
	dir := filepath.Join(g.privileged.dir, "devices")
	if err := s.devices.mkdir(dir); err != nil {
		return err
	}
	g.filtered = membership{s.devices, dir}
	return s.restrictTo(s.devices, dir, withDevices(more))
}

// makeStep creates the group of a step in hierarchy h and returns its path. It tries
// the directories in which the set may create groups until the kernel accepts one. In
// version 2, it also enables the controllers of the limits for the group.
func (s *Set) makeStep(h *hierarchy, step string, limits []setting) (string, error) {
	name := cgroupParent
	var controllers []string
	for _, l := range limits {
		controllers, name = append(controllers, l.controller), limits[0].limit
	}
	var first error
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
		if first == nil {
			first = err
		}
	}
	return "", &LimitError{name, fmt.Errorf("make a control group: %w (run slipway as root or by systemd-run --user --scope, or leave the limit out)", first)}
}

// enable enables controllers for the version 2 groups that the set creates below the
// directory base: in base itself and in the set's directory below base. If
// [Options].Parent is set, it first enables them in all groups above base.
func (s *Set) enable(h *hierarchy, base string, controllers []string) error {
	chain := []string{filepath.Join(base, s.name), base}
	if s.parent != "" { // the groups above base may have been created by mkdir
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

// Container returns the groups that an OCI runtime creates for a step at the path
// [Set.Path].
func (s *Set) Container(step string) *Group {
	g := &Group{}
	for i := range s.all {
		g.own = append(g.own, filepath.Join(s.all[i].mount, s.Path(step)))
	}
	return g
}

// OutOfMemory reports whether the kernel has killed a process of the step because the
// step exceeded its memory limit.
func (g *Group) OutOfMemory() bool {
	for _, dir := range g.own {
		if hasOOMKills(filepath.Join(dir, "memory.events")) || hasOOMKills(filepath.Join(dir, "memory.oom_control")) {
			return true
		}
	}
	return false
}

// hasOOMKills reports whether a control file, memory.events or memory.oom_control, counts at
// least one OOM kill.
func hasOOMKills(file string) bool {
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

// Remove removes the groups that were created for the step. The groups must not contain
// processes.
func (g *Group) Remove() error { return Remove(g.own) }

// Remove removes the groups with the given directories and their child groups. The groups
// must not contain processes. A group that does not exist is not an error.
func Remove(dirs []string) error {
	var err error
	for _, dir := range dirs {
		err = errors.Join(err, remove(dir))
	}
	return err
}

// removeAttempts is the maximum number of attempts to remove a busy group. The kernel
// may remove a process from its group shortly after the process has been waited for.
// The pauses between attempts double from 1 ms, to about one second in total.
const removeAttempts = 10

// remove removes the group whose directory is dir, and all groups below it. If a group is
// busy, remove tries again, see removeAttempts. A group that does not exist is not an error.
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
	rmdir := unix.Rmdir(dir)
	for pause := range removeAttempts {
		if !errors.Is(rmdir, unix.EBUSY) && !errors.Is(rmdir, unix.EINTR) {
			break
		}
		time.Sleep(time.Millisecond << pause)
		rmdir = unix.Rmdir(dir)
	}
	if rmdir != nil && !errors.Is(rmdir, fs.ErrNotExist) {
		err = errors.Join(err, &fs.PathError{Op: "rmdir", Path: dir, Err: rmdir})
	}
	return err
}
