package oci

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupParent is the control group of all containers.
const cgroupParent = "/slipway"

// NewGroup returns the path of a control group for the containers of a runner. dir is
// the directory of its files, pid its process.
func NewGroup(dir string, pid int) string {
	return filepath.Join(cgroupParent, groupPrefix(dir)+strconv.Itoa(pid)+"-"+rand.Text()[:8])
}

func groupPrefix(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:8]) + "-"
}

// RemoveStale removes the groups of processes that have ended, of runners with the same
// directory.
func RemoveStale(dir string) error {
	mounts, err := hierarchies()
	for _, mount := range mounts {
		found, globErr := filepath.Glob(filepath.Join(mount, cgroupParent, groupPrefix(dir)+"*"))
		err = errors.Join(err, globErr)
		for _, group := range found {
			pid := strings.Split(filepath.Base(group), "-")[1]
			if _, alive := os.Stat(filepath.Join("/proc", pid)); errors.Is(alive, fs.ErrNotExist) {
				err = errors.Join(err, removeGroups(group))
			}
		}
	}
	return err
}

// RemoveCgroup removes a control group, and those in it, from all hierarchies. No
// process may be in it. A group that does not exist is no error.
func RemoveCgroup(group string) error {
	mounts, err := hierarchies()
	for _, dir := range mounts {
		err = errors.Join(err, removeGroups(filepath.Join(dir, group)))
	}
	return err
}

// OutOfMemory reports whether the kernel killed a process of a control group
// because its memory was used up. Unknown with version 1, as in BuildKit.
func OutOfMemory(group string) bool {
	f, err := os.Open(filepath.Join("/sys/fs/cgroup", group, "memory.events"))
	if err != nil {
		return false
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if text, ok := strings.CutPrefix(in.Text(), "oom_kill "); ok {
			n, err := strconv.ParseUint(text, 10, 64)
			return err == nil && n > 0
		}
	}
	return false
}

// removeGroups removes a group and those in it.
func removeGroups(dir string) error {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		if e.IsDir() {
			err = errors.Join(err, removeGroups(filepath.Join(dir, e.Name())))
		}
	}
	if gone := os.Remove(dir); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// hierarchies returns where hierarchies of control groups are mounted.
func hierarchies() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var dirs []string
	in := bufio.NewScanner(f)
	for in.Scan() {
		before, after, _ := strings.Cut(in.Text(), " - ")
		kind, _, _ := strings.Cut(after, " ")
		if fields := strings.Fields(before); len(fields) > 4 && (kind == "cgroup" || kind == "cgroup2") {
			dirs = append(dirs, fields[4])
		}
	}
	return dirs, in.Err()
}
