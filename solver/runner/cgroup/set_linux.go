package cgroup

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cilium/ebpf"

	"slipway/solver/runner"
)

// Set manages the control groups for all steps of a runner. Safe for concurrent use.
type Set struct {
	prefix string // prefix of name, which depends only on the state directory
	name   string // name of the directory that contains all groups
	parent string // see Options.Parent
	top    bool   // see Options.Top
	all    []hierarchy

	mu          sync.Mutex
	filterDone  bool       // Filter has been called
	filterErr   error      // the result of Filter
	sharedGroup string     // directory of the group for steps that only need a device filter; "" without a filter
	devices     *hierarchy // hierarchy of sharedGroup
	program     *ebpf.Program
}

// Options configures a [Set].
type Options struct {
	State  string // state directory of the runner; RemoveStale finds groups by it
	PID    int    // PID of the builder; RemoveStale keeps groups while it exists
	Parent string // path of the parent of all groups; if "", see the package comment
	// Top creates groups at the top of each hierarchy if Parent is "". OCI runtimes interpret
	// the paths of groups relative to the top, too.
	Top bool
}

// New returns a set for a runner, without creating groups. If the hierarchies of this
// machine cannot be read, New returns an error together with a usable set.
func New(o *Options) (*Set, error) {
	all, err := hierarchies()
	return newSet(o, all), err
}

func newSet(o *Options, all []hierarchy) *Set {
	sum := sha256.Sum256([]byte(o.State))
	prefix := "slipway-" + hex.EncodeToString(sum[:8]) + "-"
	return &Set{
		prefix: prefix, name: prefix + strconv.Itoa(o.PID) + "-" + rand.Text()[:8],
		parent: o.Parent, top: o.Top, all: all,
	}
}

// bases returns the directories of the hierarchy h in which the set may create its directory,
// in order of preference.
func (s *Set) bases(h *hierarchy) []string {
	parent := s.parent
	if parent == "" && s.top {
		parent = "/"
	}
	return h.bases(parent)
}

// Dirs returns the directories that contain the control groups of the set, if these groups
// exist. The set may use one of several parent directories in each hierarchy, and Dirs returns
// one directory for each of them.
func (s *Set) Dirs() []string {
	var list []string
	for i := range s.all {
		for _, base := range s.bases(&s.all[i]) {
			list = append(list, filepath.Join(base, s.name))
		}
	}
	return list
}

// Path returns the cgroupsPath (in config.json) of a step that an OCI runtime starts.
// The runtime creates the groups at this path itself.
func (s *Set) Path(step string) string { return filepath.Join("/", s.parent, s.name, step) }

// RemoveStale removes the groups of runners with the same state directory that did not remove
// their groups, for example because of SIGKILL. The name of a group contains the PID of its
// runner. RemoveStale removes the group if no process with this PID exists.
func (s *Set) RemoveStale() error {
	var err error
	for i := range s.all {
		for _, base := range s.bases(&s.all[i]) {
			list, _ := os.ReadDir(base) // a base that does not exist has no groups
			for _, e := range list {
				rest, ours := strings.CutPrefix(e.Name(), s.prefix)
				pid, _, _ := strings.Cut(rest, "-")
				if !ours {
					continue
				}
				if _, alive := os.Stat(filepath.Join("/proc", pid)); errors.Is(alive, fs.ErrNotExist) {
					err = errors.Join(err, remove(filepath.Join(base, e.Name())))
				}
			}
		}
	}
	return err
}

// Filter creates a group with a device filter, which all steps without limits share. If
// devices cannot be filtered, it returns an error with the reason. Later calls return the same
// result.
func (s *Set) Filter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.filterDone {
		s.filterDone, s.filterErr = true, s.makeFilter()
	}
	return s.filterErr
}

func (s *Set) makeFilter() error {
	h, err := s.deviceHierarchy()
	if err != nil {
		return err
	}
	base := s.bases(h)[0]
	dir := filepath.Join(base, s.name, "steps")
	if h.unified {
		if s.program, err = filterProgram(devices()); err != nil {
			return fmt.Errorf("load a device filter: %w", err)
		}
	}
	if err = h.mkdir(dir); err == nil {
		err = s.restrict(h, dir)
	}
	if err != nil {
		_ = remove(filepath.Join(base, s.name)) // it may not exist
		return err
	}
	s.sharedGroup, s.devices = dir, h
	return nil
}

// restrict adds the device filter to the group whose directory is dir.
func (s *Set) restrict(h *hierarchy, dir string) error {
	if h.unified {
		return attach(s.program, dir)
	}
	return filterV1(dir, devices())
}

// restrictTo adds a device filter for the given devices to the group whose directory is dir.
func (s *Set) restrictTo(h *hierarchy, dir string, allowed []device) error {
	if !h.unified {
		return filterV1(dir, allowed)
	}
	program, err := filterProgram(allowed)
	if err != nil {
		return fmt.Errorf("load a device filter: %w", err)
	}
	return errors.Join(attach(program, dir), program.Close()) // the group keeps the program
}

// deviceHierarchy returns the hierarchy that can filter devices: the version 1
// hierarchy with the controller devices or, if it is not mounted, the version 2
// hierarchy.
func (s *Set) deviceHierarchy() (*hierarchy, error) {
	i := slices.IndexFunc(s.all, func(h hierarchy) bool { return slices.Contains(h.controllers, "devices") })
	if i < 0 {
		i = slices.IndexFunc(s.all, func(h hierarchy) bool { return h.unified })
	}
	if i < 0 || len(s.bases(&s.all[i])) == 0 {
		return nil, errors.New("no control groups are mounted that filter devices")
	}
	return &s.all[i], nil
}

// Close removes all groups of the set. The groups must not contain processes. The set
// remains usable: Filter and Step create groups again.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.program != nil {
		err = s.program.Close()
	}
	s.filterDone, s.filterErr, s.sharedGroup, s.program = false, nil, "", nil
	return errors.Join(err, Remove(s.Dirs()))
}

// Check creates a group with the given limits and removes it again. It returns the error that
// a step with these limits would get.
func (s *Set) Check(limits *runner.Resources) error {
	g, err := s.Step("check", limits, nil)
	if err != nil {
		return err
	}
	return g.Remove()
}
