package cgroup

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// hierarchy is a mounted hierarchy of control groups.
type hierarchy struct {
	mount       string   // directory of its topmost visible group
	own         string   // directory of the group of this process; "" if it is not visible
	controllers []string // of version 1
	unified     bool     // version 2
}

// hierarchies returns the hierarchies that this process sees.
func hierarchies() ([]hierarchy, error) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the kernel has none
	}
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	return parse(mounts, groups), err
}

// parse reads the hierarchies from the files mountinfo and cgroup of a process. Of
// several mounts of a hierarchy the first one counts.
func parse(mounts, groups []byte) []hierarchy {
	var list []hierarchy
	for line := range bytes.Lines(mounts) {
		before, after, _ := strings.Cut(string(line), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) < 3 {
			continue
		}
		root, h := fields[3], hierarchy{mount: fields[4]}
		switch kind[0] {
		case "cgroup":
			h.controllers = known(kind[2])
		case "cgroup2":
			h.unified = true
		}
		same := func(o hierarchy) bool { return o.unified == h.unified && slices.Equal(o.controllers, h.controllers) }
		if !h.unified && len(h.controllers) == 0 || slices.ContainsFunc(list, same) {
			continue
		}
		h.own = h.find(root, groups)
		list = append(list, h)
	}
	return list
}

// known returns the controllers among the options of a mount, and its name if it has one.
func known(options string) []string {
	var list []string
	all := []string{"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "net_prio", "perf_event", "pids", "rdma"}
	for o := range strings.SplitSeq(options, ",") {
		if slices.Contains(all, o) || strings.HasPrefix(o, "name=") {
			list = append(list, o)
		}
	}
	return list
}

// find returns the directory of a process's group in a hierarchy of which root and what
// is below is mounted; "" if that does not contain it.
func (h *hierarchy) find(root string, groups []byte) string {
	for line := range bytes.Lines(groups) {
		parts := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(parts) < 3 || h.unified != (parts[0] == "0" && parts[1] == "") {
			continue
		}
		if !h.unified && !slices.Contains(strings.Split(parts[1], ","), h.controllers[0]) {
			continue
		}
		at, err := filepath.Rel(root, parts[2])
		if err != nil || !filepath.IsLocal(at) {
			return ""
		}
		return filepath.Join(h.mount, at)
	}
	return ""
}

// bases returns the directories that may contain groups of a runner, the best one first.
// If parent is not "", it is the only one.
func (h *hierarchy) bases(parent string) []string {
	if parent != "" {
		return []string{filepath.Join(h.mount, filepath.Join("/", parent))}
	}
	var list []string
	if h.own != "" {
		list = append(list, h.own)
	}
	if h.unified && h.own != "" && h.own != h.mount {
		list = append(list, filepath.Dir(h.own))
	}
	if (h.unified || h.own == "") && !slices.Contains(list, h.mount) {
		list = append(list, h.mount)
	}
	return list
}

// has reports whether groups of the hierarchy can have a controller.
func (h *hierarchy) has(controller string) bool {
	if !h.unified {
		return slices.Contains(h.controllers, controller)
	}
	data, _ := os.ReadFile(filepath.Join(h.mount, "cgroup.controllers"))
	return slices.Contains(strings.Fields(string(data)), controller)
}

// mkdir makes a group, and those that it is in.
func (h *hierarchy) mkdir(dir string) error {
	if dir == h.mount {
		return nil
	}
	if err := h.mkdir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !h.unified && slices.Contains(h.controllers, "cpuset") {
		return inherit(dir)
	}
	return nil
}

// inherit gives a group the processors and memory nodes of the one that it is in. In
// version 1 it has none, and can have no process.
func inherit(dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && len(bytes.TrimSpace(data)) > 0 {
			continue
		}
		if err == nil {
			data, err = os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		}
		if err == nil {
			err = write(dir, name, string(bytes.TrimSpace(data)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enable lets the groups in a group of version 2 have controllers.
func enable(dir string, controllers []string) error {
	data, err := os.ReadFile(filepath.Join(dir, subtreeControl))
	if err != nil {
		return err
	}
	have := strings.Fields(string(data))
	for _, c := range controllers {
		if slices.Contains(have, c) {
			continue
		}
		if err := write(dir, subtreeControl, "+"+c); err != nil {
			return err
		}
	}
	return nil
}

const subtreeControl = "cgroup.subtree_control"

// write writes to a file of a group, which exists.
func write(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
