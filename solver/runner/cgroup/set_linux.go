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

// Set manages the control groups of the steps of a runner. Safe for concurrent use.
type Set struct {
	prefix string // prefix of the directory names of runners with the same state
	name   string // name of the directory that contains all groups
	parent string
	top    bool // groups are at the top of hierarchies if parent is ""
	all    []hierarchy

	mu       sync.Mutex
	filtered bool       // Filter has been called
	refused  error      // error of creating the device filter
	common   string     // group of steps that only need a filter; "" without a filter
	devices  *hierarchy // hierarchy of common
	program  *ebpf.Program
}

// Options configures a [Set].
type Options struct {
	State  string // directory of the runner; identifies groups of previous runners
	PID    int    // PID of the runner
	Parent string // path of the parent of all groups; if "", the package chooses
	// Top places groups at the top of each hierarchy if Parent is "", as OCI runtimes
	// do.
	Top bool
}

// New returns a set. It does not create groups yet.
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

// bases returns the directories of a hierarchy that may contain groups of runners.
func (s *Set) bases(h *hierarchy) []string {
	parent := s.parent
	if parent == "" && s.top {
		parent = "/"
	}
	return h.bases(parent)
}

// Dirs returns the directories that may contain groups of the set.
func (s *Set) Dirs() []string {
	var list []string
	for i := range s.all {
		for _, base := range s.bases(&s.all[i]) {
			list = append(list, filepath.Join(base, s.name))
		}
	}
	return list
}

// Path returns the path of a step's group for an OCI runtime, which creates the group.
func (s *Set) Path(step string) string { return filepath.Join("/", s.parent, s.name, step) }

// RemoveStale removes the groups of ended runners with the same state.
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

// Filter creates the group for steps with a device filter. It returns an error if the
// kernel does not support that. Later calls return the same result.
func (s *Set) Filter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.filtered {
		s.filtered, s.refused = true, s.makeFilter()
	}
	return s.refused
}

func (s *Set) makeFilter() error {
	h, err := s.deviceHierarchy()
	if err != nil {
		return err
	}
	base := s.bases(h)[0]
	dir := filepath.Join(base, s.name, "steps")
	if h.unified {
		if s.program, err = filterProgram(); err != nil {
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
	s.common, s.devices = dir, h
	return nil
}

// restrict applies the device filter to a group.
func (s *Set) restrict(h *hierarchy, dir string) error {
	if h.unified {
		return attach(s.program, dir)
	}
	return filterOld(dir)
}

// deviceHierarchy returns the hierarchy whose groups filter devices.
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

// Close removes all groups. They must not contain processes. The set may be used again.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.program != nil {
		err = s.program.Close()
	}
	s.filtered, s.refused, s.common, s.program = false, nil, "", nil
	return errors.Join(err, Remove(s.Dirs()))
}

// Check returns an error if the limits cannot be applied. It creates a group with them
// and removes it.
func (s *Set) Check(limits *runner.Resources) error {
	g, err := s.Step("check", limits)
	if err != nil {
		return err
	}
	return g.Remove()
}
