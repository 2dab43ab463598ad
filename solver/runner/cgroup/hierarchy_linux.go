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

// hierarchy is a mounted hierarchy of control groups: one of several in version 1, the
// only one in version 2.
type hierarchy struct {
	mount       string   // directory of the topmost visible group
	own         string   // directory of the builder's group; "" if it is not visible
	controllers []string // in version 1, its controllers or its name option
	unified     bool     // whether this is the version 2 hierarchy
}

// hierarchies returns the control group hierarchies mounted in this process's mount
// namespace. If the kernel does not support control groups, the list is empty.
func hierarchies() ([]hierarchy, error) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the kernel does not support control groups
	}
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	return parse(mounts, groups), err
}

// parse returns the hierarchies in mountInfo, the content of /proc/PID/mountinfo, each
// with the group of the process. It finds this group in cgroups, the content of
// /proc/PID/cgroup. If a hierarchy is mounted several times, parse uses the first
// mount.
func parse(mountInfo, cgroups []byte) []hierarchy {
	var list []hierarchy
	for line := range bytes.Lines(mountInfo) {
		before, after, _ := strings.Cut(string(line), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) < 3 {
			continue
		}
		root, h := fields[3], hierarchy{mount: fields[4]}
		switch kind[0] {
		case "cgroup":
			h.controllers = parseControllers(kind[2])
		case "cgroup2":
			h.unified = true
		}
		same := func(o hierarchy) bool { return o.unified == h.unified && slices.Equal(o.controllers, h.controllers) }
		if !h.unified && len(h.controllers) == 0 || slices.ContainsFunc(list, same) {
			continue
		}
		h.own = h.find(root, cgroups)
		list = append(list, h)
	}
	return list
}

// parseControllers returns the controllers of a version 1 hierarchy from its mount
// options, for example cpu and cpuacct. For a hierarchy without controllers, it returns
// the option that names it, such as name=systemd.
func parseControllers(options string) []string {
	var list []string
	all := []string{"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "net_cls", "net_prio", "perf_event", "pids", "rdma"}
	for o := range strings.SplitSeq(options, ",") {
		if slices.Contains(all, o) || strings.HasPrefix(o, "name=") {
			list = append(list, o)
		}
	}
	return list
}

// find returns the directory of a process's group in the hierarchy h. The parameter
// cgroups is the content of /proc/PID/cgroup. The parameter root is the root field of
// the mount of h in mountinfo: the group that appears as the top directory of the
// mount. If the process's group is neither root nor below root, find returns "".
func (h *hierarchy) find(root string, cgroups []byte) string {
	for line := range bytes.Lines(cgroups) {
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

// bases returns directories in which a runner may create groups, in order of
// preference. If parent is not "", the list contains only the group with the path
// parent.
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

// has reports whether a controller, such as memory, is available in the hierarchy.
func (h *hierarchy) has(controller string) bool {
	if !h.unified {
		return slices.Contains(h.controllers, controller)
	}
	data, _ := os.ReadFile(filepath.Join(h.mount, "cgroup.controllers"))
	return slices.Contains(strings.Fields(string(data)), controller)
}

// mkdir creates the group whose directory is dir, and its parent groups that do not
// exist.
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

// inherit copies cpuset.cpus and cpuset.mems to a version 1 group from its parent. In a
// new group these files are empty, and the kernel accepts no process in such a group.
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

// enable enables controllers for the children of a version 2 group. If all of them are
// enabled already, it writes nothing and needs no write permission.
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

// subtreeControl is the file that lists the controllers enabled for the children of a
// version 2 group.
const subtreeControl = "cgroup.subtree_control"

// write writes a value to a control file of the group whose directory is dir.
func write(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
