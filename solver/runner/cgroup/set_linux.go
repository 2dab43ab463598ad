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

// Set is the control groups of the steps of a runner. Safe for concurrent use.
type Set struct {
	prefix string // of the names of the directories of runners with the same state
	name   string // of the directory that all groups are in
	parent string
	top    bool // groups are at the top of hierarchies if parent is ""
	all    []hierarchy

	mu       sync.Mutex
	filtered bool       // Filter was called
	refused  error      // by the kernel: the device filter
	common   string     // group of the steps that have a filter only; "" if there is no filter
	devices  *hierarchy // of common
	program  *ebpf.Program
}

// Options configures a [Set].
type Options struct {
	State  string // directory of the runner; "left by the same runner" means the same directory
	PID    int    // process of the runner
	Parent string // path of the group that all others are in; "" leaves the choice to the package
	// Top puts groups at the top of each hierarchy unless there is a Parent: OCI
	// runtimes name groups that way.
	Top bool
}

// New describes the groups of a runner. It makes none.
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

// Path returns the path of the group of a step for an OCI runtime, which makes it.
func (s *Set) Path(step string) string { return filepath.Join("/", s.parent, s.name, step) }

// RemoveStale removes the groups of runners with the same state whose process has ended.
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

// Filter makes the group of steps that have a device filter, or returns why the kernel
// refuses that. Later calls return the same.
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

// restrict gives a group the device filter.
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

// Close removes all groups. No process may be in them. The set may be used again.
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

// Check returns an error if steps cannot have limits. It makes a group and removes it.
func (s *Set) Check(limits *runner.Resources) error {
	g, err := s.Step("check", limits)
	if err != nil {
		return err
	}
	return g.Remove()
}
