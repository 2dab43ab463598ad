package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
)

// setting is a resource limit together with its control files and the text to write to
// each of them.
type setting struct {
	limit      string // name of the docker build flag, such as cpu-quota
	controller string
	v1, v2     []value // the control files of version 1 and version 2
}

// value is a control file of a group and the text to write to it.
type value struct{ file, text string }

// defaultPeriod is the kernel's default period for CPU quotas, in microseconds.
const defaultPeriod = 100000

// settings converts the resource limits r to settings of control groups, in the order
// in which they must be written: a memory limit before the limit for memory and swap.
func settings(r *runner.Resources) []setting {
	var list []setting
	if r.Memory != 0 {
		n := strconv.FormatInt(r.Memory, 10)
		list = append(list, setting{"memory", "memory", []value{{"memory.limit_in_bytes", n}}, []value{{"memory.max", n}}})
	}
	if r.MemorySwap != 0 {
		n, swap := strconv.FormatInt(r.MemorySwap, 10), "max"
		if r.MemorySwap > 0 {
			swap = strconv.FormatInt(r.MemorySwap-r.Memory, 10)
		}
		list = append(list, setting{"memory-swap", "memory", []value{{"memory.memsw.limit_in_bytes", n}}, []value{{"memory.swap.max", swap}}})
	}
	if r.CPUShares != 0 {
		list = append(list, setting{"cpu-shares", "cpu", []value{{"cpu.shares", strconv.FormatUint(r.CPUShares, 10)}}, []value{{"cpu.weight", weight(r.CPUShares)}}})
	}
	if r.CPUPeriod != 0 || r.CPUQuota != 0 {
		list = append(list, bandwidth(r))
	}
	if r.CPUSetCPUs != "" {
		v := []value{{"cpuset.cpus", r.CPUSetCPUs}}
		list = append(list, setting{"cpuset-cpus", "cpuset", v, v})
	}
	if r.CPUSetMems != "" {
		v := []value{{"cpuset.mems", r.CPUSetMems}}
		list = append(list, setting{"cpuset-mems", "cpuset", v, v})
	}
	return list
}

// bandwidth returns one setting for both CPUQuota and CPUPeriod, because version 2 has
// one control file for them (cpu.max).
func bandwidth(r *runner.Resources) setting {
	s := setting{limit: "cpu-period", controller: "cpu"}
	quota, period := "max", uint64(defaultPeriod)
	if r.CPUPeriod != 0 {
		period = r.CPUPeriod
		s.v1 = append(s.v1, value{"cpu.cfs_period_us", strconv.FormatUint(period, 10)})
	}
	if r.CPUQuota != 0 {
		s.limit, quota = "cpu-quota", strconv.FormatInt(r.CPUQuota, 10)
		s.v1 = append(s.v1, value{"cpu.cfs_quota_us", quota})
	}
	s.v2 = []value{{"cpu.max", quota + " " + strconv.FormatUint(period, 10)}}
	return s
}

// weight converts CPU shares of version 1 (2 to 262144) to a CPU weight of version 2 (1
// to 10000).
//
// Upstream: runc uses the same conversion.
func weight(shares uint64) string {
	shares = min(max(shares, 2), 262144)
	return strconv.FormatUint(1+(shares-2)*9999/262142, 10)
}

// set applies the setting to the group whose directory is dir. It does so by writing to
// the control files of the group. The hierarchy h determines whether these are the
// files of version 1 or version 2.
func (s *setting) set(h *hierarchy, dir string) error {
	values := s.v1
	if h.unified {
		values = s.v2
	}
	for _, v := range values {
		if err := write(dir, v.file, v.text); err != nil {
			return &LimitError{s.limit, s.reason(v, err)}
		}
	}
	return nil
}

// reason explains why the kernel rejected v, the text written to a control file. The
// parameter err is the error from the write. If err means that the file does not exist
// or that the text is invalid, reason returns an error with a hint. Otherwise it
// returns err unchanged.
func (s *setting) reason(v value, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the kernel has no such limit: %s does not exist (leave it out)", v.file)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ERANGE):
		return fmt.Errorf("the kernel rejects the value %q of %s (use one that the machine has)", v.text, v.file)
	}
	return err
}

// Unavailable returns a [*LimitError] that wraps err. Its text starts with the name of
// the first limit that is set or, if none is set, with cgroup-parent.
func Unavailable(limits *runner.Resources, err error) error {
	if list := settings(limits); len(list) > 0 {
		return &LimitError{list[0].limit, err}
	}
	return &LimitError{cgroupParent, err}
}
